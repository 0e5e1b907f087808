//! Retry topics, as lanes see them: when a record is due.
//!
//! A record that waits is not read: until it is due, it has no in-flight entry and is unknown to the tracker. All of
//! its history is in its headers, so a crash at any step changes nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::LaneTask;
use super::timers::TimerKind;
use crate::record::Record;
use crate::wire::retry;

/// Whether the next record of a retry topic may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Not checked yet.
    Unknown,
    /// Not yet: a timer is set.
    Later,
    /// It may be handed out now, whatever its header says.
    Now,
}

impl Due {
    pub(super) fn waits(self) -> bool {
        self == Self::Later
    }
}

impl LaneTask {
    /// Returns whether the record at the cursor may be handed out. If not, the lane is woken when it may.
    pub(super) fn is_due(&mut self) -> bool {
        let Some(retry_topic) = &self.scope.retry_topic else { return true };
        match self.inbox.due {
            Due::Now => return true,
            Due::Later => return false,
            Due::Unknown => {}
        }
        let (offset, pause) = self.inbox.wait(retry_topic.delay, self.scope.context.now_ms());
        if pause.is_zero() {
            return true;
        }
        let due = Instant::now() + pause;
        self.timers.add(due, offset, TimerKind::Due);
        // The wait may be long, and must not pin a fetch buffer.
        self.detach();
        false
    }
}

/// A timestamp further in the future is ignored, because clocks differ by less.
const SKEW: i64 = 60_000;

/// How long records wait, whatever their headers and timestamps contain.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// When the first record without a credible timestamp came to the front, since everything that had arrived was
    /// read.
    since: Option<i64>,
}

impl Waits {
    /// Returns how long until the record is due, at the Unix time `now`. Without a readable due time, it is due now.
    ///
    /// No header makes it wait longer than its topic's delay (`longest`) from when it was written. If its timestamp
    /// does not give that time (it has none, or one in the future), the delay counts from when the first such record
    /// came to the front: no matter how many there are, they wait once.
    pub(super) fn pause(&mut self, record: &Record<'_>, longest: Duration, now: i64) -> Duration {
        let Some(due) = retry::due(record).filter(|due| *due > now) else { return Duration::ZERO };
        let longest = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
        let credible = 0..=now.saturating_add(SKEW);
        let written = record.timestamp.filter(|timestamp| credible.contains(timestamp));
        let written = written.unwrap_or_else(|| *self.since.get_or_insert(now));
        let left = due.min(written.saturating_add(longest)).saturating_sub(now);
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// Records that everything that had arrived was read, so later records are written from now on.
    pub(super) fn caught_up(&mut self) {
        self.since = None;
    }
}
