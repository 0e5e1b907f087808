//! The offsets of one lane, as its task, its member and its acks see them.
//!
//! The lane's task, the member's control thread and the tasks of handlers share them: atomics, and one lock that
//! serializes stores. All are next offsets, except `oldest`.
//!
//! The lane's own bookkeeping (`offsets.rs`) belongs to its task alone. While a call occupies the task's thread,
//! for instance because it blocks, the task has no turn to store anything. Then the member stores the prefix that
//! the task had noted before the call (`store_late`), so that a blocking call does not keep finished records
//! uncommitted.

use std::sync::atomic::{AtomicI64, Ordering::Acquire, Ordering::Release, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use crate::broker::Stale;

/// The value of an unknown offset. Less than every offset, so that comparisons need no case for it.
const NOTHING: i64 = i64::MIN;

/// The finished, stored and committed offsets of a lane, as next offsets.
#[derive(Debug)]
pub(crate) struct OffsetCell {
    /// The next offset that the broker has committed; the lane's start before the first commit. Only grows.
    committed: AtomicI64,
    /// The next offset that was handed to the committer. `NOTHING` before the first store.
    stored: AtomicI64,
    /// The next offset up to which everything is finished, stored or not, as of the beginning of the last call.
    finished: AtomicI64,
    /// One store at a time, each with a later offset than the last: by the task itself, and while a call occupies its
    /// thread.
    storing: Mutex<i64>,
    /// The oldest unfinished record, as of the task's last turn: for the log line when the lane is cancelled, and
    /// to notice that no commit can advance.
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

    /// Returns the oldest unfinished record, as a record offset.
    pub(crate) fn oldest(&self) -> Option<i64> {
        Some(self.oldest.load(SeqCst)).filter(|offset| *offset != NOTHING)
    }

    /// Returns whether an offset is stored that the broker has not committed.
    pub(crate) fn is_dirty(&self) -> bool {
        self.stored.load(SeqCst) > self.committed_offset()
    }

    /// Returns whether a record was delivered that the broker does not know to be finished, stored or not.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_dirty() || self.oldest.load(SeqCst) != NOTHING
    }

    /// Returns how many offsets are stored that the broker has not committed.
    pub(crate) fn uncommitted(&self) -> u64 {
        let stored = self.stored.load(SeqCst);
        if stored == NOTHING {
            0
        } else {
            u64::try_from(stored.saturating_sub(self.committed_offset())).unwrap_or(0)
        }
    }

    /// Returns the next offset up to which everything is stored or committed. Hooks report it.
    pub(crate) fn finished_to(&self) -> i64 {
        self.stored.load(SeqCst).max(self.committed_offset())
    }

    /// Returns the next offset that the broker has committed. The brake and durable acks compare with it.
    pub(crate) fn committed_offset(&self) -> i64 {
        self.committed.load(SeqCst)
    }

    /// Notes the finished prefix before a call begins or continues, which may occupy the task's thread for long.
    pub(crate) fn note_finished(&self, prefix: Option<i64>) {
        if let Some(prefix) = prefix {
            self.finished.store(prefix, Release);
        }
    }

    /// Stores the next offset, unless it or a later one is already stored. One at a time: a late store on the
    /// control thread may meet the task's own.
    ///
    /// # Errors
    /// If the lane was fenced: the offset has no effect.
    pub(crate) fn store(&self, next: i64, store: impl FnOnce() -> Result<(), Stale>) -> Result<(), Stale> {
        let mut last = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        if *last >= next {
            return Ok(());
        }
        *last = next;
        store()
    }

    /// Stores the finished prefix while the task has no turn to store it. Called on the control thread, about once
    /// a second.
    pub(crate) fn store_late(&self, store: impl FnOnce(i64) -> Result<(), Stale>) {
        let next = self.finished.load(Acquire);
        if next > self.stored.load(SeqCst) && self.store(next, || store(next)).is_ok() {
            self.stored.fetch_max(next, SeqCst);
        }
    }

    /// Notes the stored offset and the oldest unfinished record at the end of a turn of the task.
    pub(crate) fn note(&self, stored: Option<i64>, oldest: Option<i64>) {
        self.stored.store(stored.unwrap_or(NOTHING), SeqCst);
        self.oldest.store(oldest.unwrap_or(NOTHING), SeqCst);
    }
}
