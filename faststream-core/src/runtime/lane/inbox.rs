//! The lane's current batch: records that were taken from the broker and not handed out yet.

use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use super::retry_topic::{Due, Waits};
use crate::broker::{Lane, Stale};
use crate::record::Record;

/// The number of records per batch, and per turn. Then the task yields, so that immediate handlers starve no other
/// task.
pub(super) const BATCH: usize = 256;

/// The batch, and the lane that it belongs to.
pub(super) struct Inbox {
    lane: Box<dyn Lane>,
    /// How many records the batch has, and how many of them were handed out.
    filled: usize,
    cursor: usize,
    /// Whether its rest was copied out of the broker's buffers.
    detached: bool,
    /// One past the last record handed out.
    next: i64,
    /// Whether the record at the cursor is due, in a retry topic.
    pub(super) due: Due,
    waits: Waits,
}

impl Inbox {
    pub(super) fn new(lane: Box<dyn Lane>) -> Self {
        let next = lane.start();
        Self { lane, filled: 0, cursor: 0, detached: false, next, due: Due::Unknown, waits: Waits::default() }
    }

    /// Returns one past the last record handed out.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Returns whether the batch has a record that was not handed out.
    pub(super) fn has_more(&self) -> bool {
        self.cursor < self.filled
    }

    /// Takes the next batch. Kept records of the old one have to be copied before.
    pub(super) fn refill(&mut self, cx: &mut TaskContext<'_>) -> bool {
        (self.cursor, self.detached) = (0, false);
        self.filled = match self.lane.poll_fill(cx, BATCH) {
            Poll::Ready(taken) => taken,
            Poll::Pending => {
                self.waits.caught_up();
                0
            }
        };
        self.filled > 0
    }

    /// Hands out the next record of the batch, and returns its number.
    pub(super) fn take(&mut self) -> usize {
        self.due = Due::Unknown;
        self.cursor += 1;
        self.cursor - 1
    }

    /// Records that the record at this offset was handed out.
    pub(super) fn handed_out(&mut self, offset: i64) {
        self.next = offset + 1;
    }

    /// Returns how long the next record has to wait in its retry topic, at this time (Unix ms), and its offset.
    pub(super) fn wait(&mut self, longest: Duration, now: i64) -> (i64, Duration) {
        let record = self.lane.record(self.cursor);
        let pause = self.waits.pause(&record, longest, now);
        let offset = record.offset;
        if !pause.is_zero() {
            self.due = Due::Later;
        }
        (offset, pause)
    }

    /// Returns a record of the batch, by its number.
    pub(super) fn record(&self, index: usize) -> Record<'_> {
        self.lane.record(index)
    }

    /// Copies the rest of the batch, which has to wait, so that no fetch buffer is pinned.
    pub(super) fn detach(&mut self) {
        if self.filled > 0 && !std::mem::replace(&mut self.detached, true) {
            self.lane.detach(self.cursor);
        }
    }

    /// Returns whether the broker allows records to begin.
    pub(super) fn may_begin(&self) -> bool {
        self.lane.may_begin()
    }

    /// Tells the broker whether the lane is paused on purpose.
    pub(super) fn set_held(&mut self, held: bool) {
        self.lane.set_held(held);
    }

    /// Hands the next offset to the committer.
    pub(super) fn store(&mut self, next: i64) -> Result<(), Stale> {
        self.lane.store(next)
    }
}
