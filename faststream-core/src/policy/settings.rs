//! Settings of a whole consumer group.

use std::time::Duration;

use super::{DeadLetterGuard, Provision};

/// Settings that belong to a whole consumer group.
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
    /// How long a revocation or a shutdown waits for running handlers. Defaults to 5 s. More than a tenth of
    /// `max.poll.interval.ms` risks the group membership.
    pub drain: Duration,
    /// How often the offsets of finished records are committed (`commit = Periodic`). Defaults to 1 s.
    pub commit_interval: Duration,
    /// At most how many records of a partition are delivered beyond the last successful commit while no commit
    /// advances: commits fail, results are not confirmed, or a record is held. Defaults to 10,000.
    pub max_uncommitted: u64,
    /// How many records of a partition may be in memory at a time: running, retried, or queued behind their key.
    pub max_in_flight: usize,
    /// How many copies (results, copies for retry topics, dead letters) of a partition, or of a key with `order = Key`,
    /// may be unconfirmed. At the limit, the next record waits. Defaults to 10,000. With 1, nothing overtakes a refused
    /// copy, and each copy takes a round trip to the broker.
    pub max_unconfirmed: usize,
    /// How long a call may take before the app is no longer live, so that its supervisor restarts it. Off by default.
    /// At least 1 ms, and no less than a handler's `timeout`.
    pub handler_ttl: Option<Duration>,
    /// How many dead letters a partition may write before the guard holds the next record. Defaults to 50 in a row, or
    /// 90 % of the last 200 records. `None` turns the guard off.
    pub dead_letter_guard: Option<DeadLetterGuard>,
    /// Whether missing retry topics and dead-letter topics are created at startup. By default they are.
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
    /// Returns the defaults: drain 5 s, commit every second, 10,000 records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a revocation or a shutdown waits for running handlers.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Sets how often the offsets of finished records are committed.
    #[must_use]
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.commit_interval = interval;
        self
    }

    /// Sets how many records of a partition are delivered beyond the last successful commit while commits fail.
    #[must_use]
    pub fn max_uncommitted(mut self, records: u64) -> Self {
        self.max_uncommitted = records;
        self
    }

    /// Sets how long a call may take before the app is no longer live ([`Health::live`](crate::app::Health)).
    #[must_use]
    pub fn handler_ttl(mut self, ttl: Duration) -> Self {
        self.handler_ttl = Some(ttl);
        self
    }

    /// Sets how many records of a partition may be in memory at a time.
    #[must_use]
    pub fn max_in_flight(mut self, records: usize) -> Self {
        self.max_in_flight = records;
        self
    }

    /// Sets how many copies of a partition (or of a key, with `order = Key`) may be unconfirmed. 1 keeps their order
    /// strictly, even if copies are refused.
    #[must_use]
    pub fn max_unconfirmed(mut self, copies: usize) -> Self {
        self.max_unconfirmed = copies;
        self
    }

    /// Sets how many dead letters a partition may write before the guard holds the next record, so that later records
    /// wait. `None` turns the guard off.
    #[must_use]
    pub fn dead_letter_guard(mut self, guard: impl Into<Option<DeadLetterGuard>>) -> Self {
        self.dead_letter_guard = guard.into();
        self
    }

    /// Sets what happens at startup to missing retry topics and dead-letter topics.
    #[must_use]
    pub fn provision(mut self, provision: Provision) -> Self {
        self.provision = provision;
        self
    }
}
