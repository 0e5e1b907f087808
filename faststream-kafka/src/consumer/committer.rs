//! When to commit what is stored: at each interval, at once if somebody waits for it, and one commit at a time.
//!
//! librdkafka sends a commit that was not answered once more, with the offsets it had: behind a newer one, it would set the
//! group back.

use std::time::{Duration, Instant};

/// librdkafka gives a commit up after three times `socket.timeout.ms`, 10 s here, and a session without a coordinator.
/// What has no result then never has one.
const GIVEN_UP: Duration = Duration::from_secs(60);

pub(super) struct Committer {
    interval: Duration,
    next: Instant,
    is_wanted: bool,
    /// When the commit was sent that has no result yet.
    sent: Option<Instant>,
}

impl Committer {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, next: Instant::now() + interval, is_wanted: false, sent: None }
    }

    /// Somebody waits: the next commit is due.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Whether a commit has no result yet.
    pub(super) fn is_busy(&self) -> bool {
        self.sent.is_some_and(|sent| sent.elapsed() < GIVEN_UP)
    }

    pub(super) fn is_due(&self) -> bool {
        !self.is_busy() && (self.is_wanted || Instant::now() >= self.next)
    }

    /// A commit is tried now.
    pub(super) fn sent(&mut self) {
        let now = Instant::now();
        (self.is_wanted, self.next, self.sent) = (false, now + self.interval, Some(now));
    }

    /// There is a result, or there will be none.
    pub(super) fn answered(&mut self) {
        self.sent = None;
    }
}
