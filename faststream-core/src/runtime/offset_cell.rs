//! The offsets of one lane, as its task, its member and its acks see them.

use std::sync::atomic::{AtomicI64, Ordering::Acquire, Ordering::Release, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use crate::broker::Stale;

/// Where nothing is known yet.
const NOTHING: i64 = i64::MIN;

/// What a lane has finished, stored and committed: next offsets.
#[derive(Debug)]
pub(crate) struct OffsetCell {
    /// The next offset that the broker has.
    committed: AtomicI64,
    /// The next offset that was handed to the committer.
    stored: AtomicI64,
    /// Up to where everything is finished, as of the last call's begin: stored or not yet.
    finished: AtomicI64,
    /// One store at a time, each further than the last: the task's own, and those while a call has its thread.
    storing: Mutex<i64>,
    /// The oldest unfinished record, for what is said when the lane is cut off.
    oldest: AtomicI64,
}

impl OffsetCell {
    /// Of a lane that begins at the next offset `start`.
    pub(super) fn new(start: i64) -> Self {
        Self {
            committed: AtomicI64::new(start),
            stored: AtomicI64::new(NOTHING),
            finished: AtomicI64::new(NOTHING),
            storing: Mutex::new(NOTHING),
            oldest: AtomicI64::new(NOTHING),
        }
    }

    /// The broker has everything before `next`.
    pub(super) fn committed(&self, next: i64) {
        self.committed.fetch_max(next, SeqCst);
    }

    /// The oldest unfinished record.
    pub(super) fn oldest(&self) -> Option<i64> {
        Some(self.oldest.load(SeqCst)).filter(|offset| *offset != NOTHING)
    }

    /// Something is stored that the broker does not have.
    pub(super) fn is_dirty(&self) -> bool {
        self.stored.load(SeqCst) > self.committed_offset()
    }

    /// Something was delivered that the broker does not know to be finished: it is stored, or not even that.
    pub(super) fn is_behind(&self) -> bool {
        self.is_dirty() || self.oldest.load(SeqCst) != NOTHING
    }

    /// How many offsets are stored that the broker does not have.
    pub(super) fn uncommitted(&self) -> u64 {
        let stored = self.stored.load(SeqCst);
        if stored == NOTHING {
            0
        } else {
            u64::try_from(stored.saturating_sub(self.committed_offset())).unwrap_or(0)
        }
    }

    /// Up to where everything is finished.
    pub(super) fn finished_to(&self) -> i64 {
        self.stored.load(SeqCst).max(self.committed_offset())
    }

    pub(super) fn committed_offset(&self) -> i64 {
        self.committed.load(SeqCst)
    }

    /// A call is about to begin or to go on, and may have the task's thread for long.
    pub(super) fn note_finished(&self, prefix: Option<i64>) {
        if let Some(prefix) = prefix {
            self.finished.store(prefix, Release);
        }
    }

    /// Stores the next offset, unless that was done or there is a later one.
    pub(super) fn store(&self, next: i64, store: impl FnOnce() -> Result<(), Stale>) -> Result<(), Stale> {
        let mut last = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        if *last >= next {
            return Ok(());
        }
        *last = next;
        store()
    }

    /// What finished while the task has not come to store it.
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
