//! Settings of a whole consumer group.

use std::time::Duration;

use super::{DeadLetterGuard, Provision};

/// Settings of a consumer group that have no better home.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::{GroupSettings, Provision};
///
/// let settings = GroupSettings::new()
///     .drain(Duration::from_secs(10))
///     .handler_ttl(Duration::from_secs(300))
///     .dead_letter_guard(None)
///     .provision(Provision::Verify);
/// assert_eq!(settings.commit_interval, Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupSettings {
    /// What a revocation or a stop waits for running handlers. 5 s; more than a tenth of `max.poll.interval.ms` risks
    /// the membership.
    pub drain: Duration,
    /// How often finished becomes durable (`commit = Periodic`). 1 s.
    pub commit_interval: Duration,
    /// While no commit moves on, at most this many records of a partition are delivered beyond the last accepted one:
    /// commits fail, results are not confirmed, a record is held. Defaults to 10,000.
    pub max_uncommitted: u64,
    /// How many records of a partition may be kept at a time: running, retried, queued behind their key.
    pub max_in_flight: usize,
    /// How many copies (results, copies for retry topics, dead letters) of a partition, with `order = Key` of a key, may be
    /// on their way without confirmation; then the next record waits. 10,000. With 1, nothing overtakes a copy that is
    /// refused; each one then takes a round trip to the broker.
    pub max_unconfirmed: usize,
    /// A call that takes longer makes the app not live, so that whoever watches it starts it again. Off. At least 1 ms, and
    /// no less than a handler's `timeout`.
    pub handler_ttl: Option<Duration>,
    /// When a partition's dead letters are too many to be right; `None` is never. 50 in a row, or 90 % of the last 200.
    pub dead_letter_guard: Option<DeadLetterGuard>,
    /// Whether retry topics and dead-letter topics that do not exist are made at start. They are.
    pub provision: Provision,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(5),
            commit_interval: Duration::from_secs(1),
            max_uncommitted: 10_000,
            max_in_flight: 10_000,
            max_unconfirmed: 10_000,
            handler_ttl: None,
            dead_letter_guard: Some(DeadLetterGuard::default()),
            provision: Provision::default(),
        }
    }
}

impl GroupSettings {
    /// The defaults: drain 5 s, commit every second, 10,000 records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what a revocation or a stop waits for running handlers.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Sets how often finished becomes durable.
    #[must_use]
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.commit_interval = interval;
        self
    }

    /// Sets how many records of a partition are delivered beyond the last accepted commit while commits fail.
    #[must_use]
    pub fn max_uncommitted(mut self, records: u64) -> Self {
        self.max_uncommitted = records;
        self
    }

    /// Sets after which time a call makes the app not live ([`Health::live`](crate::app::Health)).
    #[must_use]
    pub fn handler_ttl(mut self, ttl: Duration) -> Self {
        self.handler_ttl = Some(ttl);
        self
    }

    /// Sets how many records of a partition may be kept at a time.
    #[must_use]
    pub fn max_in_flight(mut self, records: usize) -> Self {
        self.max_in_flight = records;
        self
    }

    /// Sets how many copies of a partition (with `order = Key`, of a key) may be on their way without confirmation. 1 keeps
    /// their order strictly, whatever is refused.
    #[must_use]
    pub fn max_unconfirmed(mut self, copies: usize) -> Self {
        self.max_unconfirmed = copies;
        self
    }

    /// Sets when a partition's dead letters are too many to be right: then the next one is held instead, and nothing
    /// behind it moves. `None` switches the guard off.
    #[must_use]
    pub fn dead_letter_guard(mut self, guard: impl Into<Option<DeadLetterGuard>>) -> Self {
        self.dead_letter_guard = guard.into();
        self
    }

    /// Sets what happens at start to retry topics and dead-letter topics that do not exist.
    #[must_use]
    pub fn provision(mut self, provision: Provision) -> Self {
        self.provision = provision;
        self
    }
}
