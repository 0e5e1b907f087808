//! The offsets of one lane, as its task, its member and its acks see them.

use std::sync::atomic::{AtomicI64, Ordering::Acquire, Ordering::Release, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use crate::broker::Stale;

/// The value of an unknown offset.
const NOTHING: i64 = i64::MIN;

/// The finished, stored and committed offsets of a lane, as next offsets.
#[derive(Debug)]
pub(crate) struct OffsetCell {
    /// The next offset that the broker has committed.
    committed: AtomicI64,
    /// The next offset that was handed to the committer.
    stored: AtomicI64,
    /// The next offset up to which everything is finished, stored or not, as of the beginning of the last call.
    finished: AtomicI64,
    /// One store at a time, each with a later offset than the last: by the task itself, and while a call occupies its
    /// thread.
    storing: Mutex<i64>,
    /// The oldest unfinished record, for the log line when the lane is cancelled.
    oldest: AtomicI64,
}

impl OffsetCell {
    /// Returns the offsets of a lane that begins at the next offset `start`.
    pub(super) fn new(start: i64) -> Self {
        Self {
            committed: AtomicI64::new(start),
            stored: AtomicI64::new(NOTHING),
            finished: AtomicI64::new(NOTHING),
            storing: Mutex::new(NOTHING),
            oldest: AtomicI64::new(NOTHING),
        }
    }

    /// Records that the broker has committed everything before `next`.
    pub(super) fn committed(&self, next: i64) {
        self.committed.fetch_max(next, SeqCst);
    }

    /// Returns the oldest unfinished record.
    pub(super) fn oldest(&self) -> Option<i64> {
        Some(self.oldest.load(SeqCst)).filter(|offset| *offset != NOTHING)
    }

    /// Returns whether an offset is stored that the broker has not committed.
    pub(super) fn is_dirty(&self) -> bool {
        self.stored.load(SeqCst) > self.committed_offset()
    }

    /// Returns whether a record was delivered that the broker does not know to be finished, stored or not.
    pub(super) fn is_behind(&self) -> bool {
        self.is_dirty() || self.oldest.load(SeqCst) != NOTHING
    }

    /// Returns how many offsets are stored that the broker has not committed.
    pub(super) fn uncommitted(&self) -> u64 {
        let stored = self.stored.load(SeqCst);
        if stored == NOTHING {
            0
        } else {
            u64::try_from(stored.saturating_sub(self.committed_offset())).unwrap_or(0)
        }
    }

    /// Returns the next offset up to which everything is finished.
    pub(super) fn finished_to(&self) -> i64 {
        self.stored.load(SeqCst).max(self.committed_offset())
    }

    pub(super) fn committed_offset(&self) -> i64 {
        self.committed.load(SeqCst)
    }

    /// Notes the finished prefix before a call begins or continues, which may occupy the task's thread for long.
    pub(super) fn note_finished(&self, prefix: Option<i64>) {
        if let Some(prefix) = prefix {
            self.finished.store(prefix, Release);
        }
    }

    /// Stores the next offset, unless it or a later one is already stored.
    pub(super) fn store(&self, next: i64, store: impl FnOnce() -> Result<(), Stale>) -> Result<(), Stale> {
        let mut last = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        if *last >= next {
            return Ok(());
        }
        *last = next;
        store()
    }

    /// Stores the finished prefix while the task has no turn to store it.
    pub(super) fn store_late(&self, store: impl FnOnce(i64) -> Result<(), Stale>) {
        let next = self.finished.load(Acquire);
        if next > self.stored.load(SeqCst) && self.store(next, || store(next)).is_ok() {
            self.stored.fetch_max(next, SeqCst);
        }
    }

    pub(super) fn note(&self, stored: Option<i64>, oldest: Option<i64>) {
        self.stored.store(stored.unwrap_or(NOTHING), SeqCst);
        self.oldest.store(oldest.unwrap_or(NOTHING), SeqCst);
    }
}
