//! Whether commits succeed: for how long something finished is not durable, and when to brake.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::LaneControl;

/// Without an accepted commit for so many intervals, lanes are braked as if commits had failed.
const SILENT_INTERVALS: u32 = 3;

#[derive(Debug)]
pub(super) struct Commits {
    interval: Duration,
    next_check: Instant,
    /// Since when something was stored and nothing accepted.
    dirty_since: Option<Instant>,
}

impl Commits {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, next_check: Instant::now() + interval, dirty_since: None }
    }

    pub(super) fn next_check(&self) -> Instant {
        self.next_check
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next_check
    }

    /// A commit was accepted: whatever is dirty now is so from now on.
    pub(super) fn accepted(&mut self, now: Instant) {
        self.dirty_since = self.dirty_since.map(|_| now);
    }

    /// Looks at the lanes that have something to commit, once an interval.
    pub(super) fn check<'a>(&mut self, now: Instant, dirty: impl Iterator<Item = &'a Arc<LaneControl>>) {
        self.next_check = now + self.interval;
        let mut dirty = dirty.peekable();
        if dirty.peek().is_none() {
            self.dirty_since = None;
            return;
        }
        let since = *self.dirty_since.get_or_insert(now);
        if now - since >= self.interval * SILENT_INTERVALS {
            dirty.for_each(|lane| lane.brake());
        }
    }

    /// For how long something finished has not become durable; zero if all is, or commits succeed.
    pub(super) fn dirty_for(&self, now: Instant) -> Duration {
        self.dirty_since.map_or(Duration::ZERO, |since| now - since)
    }
}
