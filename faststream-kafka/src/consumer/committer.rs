//! When to commit what is stored: at each interval, at once if somebody waits for it, and one commit at a time.
//!
//! librdkafka sends a commit that was not answered once more, with the offsets it had: behind a newer one, it would set the
//! group back.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

use super::assignment::Start;
use super::context::Committed;

/// How often librdkafka sends a commit at most.
const TRIES: u32 = 3;
/// What it waits between them, and for a coordinator: the default session of KIP-848.
const BETWEEN: Duration = Duration::from_secs(45);

pub(super) struct Committer {
    interval: Duration,
    /// What has no result after this long never has one.
    given_up: Duration,
    next: Instant,
    is_wanted: bool,
    /// The commit that has no result yet: when it was sent, and what.
    sent: Option<(Instant, Vec<Start>)>,
}

impl Committer {
    pub(super) fn new(interval: Duration, config: &ClientConfig) -> Self {
        let timeout = config.get("socket.timeout.ms").and_then(|text| text.parse().ok()).unwrap_or(60_000);
        let given_up = Duration::from_millis(timeout) * TRIES + BETWEEN;
        Self { interval, given_up, next: Instant::now() + interval, is_wanted: false, sent: None }
    }

    /// Somebody waits: the next commit is due.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Whether a commit has no result yet.
    pub(super) fn is_busy(&self) -> bool {
        self.sent.as_ref().is_some_and(|(sent, _)| sent.elapsed() < self.given_up)
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) fn is_due(&self) -> bool {
        !self.is_busy() && (self.is_wanted || Instant::now() >= self.next)
    }

    /// A commit is tried now.
    pub(super) fn sent(&mut self, offsets: &[Start]) {
        self.nothing();
        self.sent = Some((Instant::now(), offsets.to_vec()));
    }

    /// All is committed.
    pub(super) fn nothing(&mut self) {
        (self.is_wanted, self.next) = (false, Instant::now() + self.interval);
    }

    /// There is a result: of this commit, or of one that librdkafka sent for partitions that were given back.
    pub(super) fn answered(&mut self, result: &[Committed]) {
        let is_ours = |offsets: &Vec<Start>| {
            result.iter().any(|one| offsets.contains(&(one.place.clone(), Some(one.next))))
        };
        if result.is_empty() || self.sent.as_ref().is_some_and(|(_, offsets)| is_ours(offsets)) {
            self.sent = None;
        }
    }

    /// There will be none.
    pub(super) fn failed(&mut self) {
        self.sent = None;
    }
}
