//! The offsets of one lane: what is finished, what the group has committed of it, and the fence that ends both.
//!
//! All are next offsets: one past a record. They change independently: the task stores, and the results of commits
//! arrive later. What is to be committed is whatever differs from the last result, in either direction: after a
//! log was truncated, a lower offset has to replace a higher one, which librdkafka's own committer never does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

use faststream_core::broker::Stale;

use super::handle::lock;

/// The value for no offset.
const NONE: i64 = -1;

/// The finished offsets of a lane. Nothing changes them once the lane is fenced.
pub(super) struct LaneOffsets {
    /// Held while an offset is stored; true once the partition was released.
    fenced: Mutex<bool>,
    /// The next finished offset: stored, or about to be. The lane's start before the first store.
    stored: AtomicI64,
    /// The offset to commit; `NONE` if the lane has finished nothing and its start is committed.
    to_commit: AtomicI64,
    /// The offset of the last successful commit; `NONE` before the first one, and when it is to be committed
    /// again.
    committed: AtomicI64,
    /// Whether it began before what the group had committed, and nothing was committed since.
    set_back: AtomicBool,
}

impl LaneOffsets {
    /// Returns the offsets of a lane. `is_uncommitted` is whether its start differs from the group's committed offset, and
    /// is to be committed; `is_set_back` whether it may be lower.
    pub(super) fn new(start: i64, is_uncommitted: bool, is_set_back: bool) -> Self {
        Self {
            fenced: Mutex::new(false),
            stored: AtomicI64::new(start),
            to_commit: AtomicI64::new(if is_uncommitted { start } else { NONE }),
            committed: AtomicI64::new(NONE),
            set_back: AtomicBool::new(is_set_back),
        }
    }

    /// Fences the lane: from here on nothing is stored. Waits for a store in progress. There is no way back.
    pub(super) fn fence(&self) {
        *lock(&self.fenced) = true;
    }

    /// Returns the next finished offset.
    pub(super) fn stored(&self) -> i64 {
        self.stored.load(SeqCst)
    }

    /// Records that everything before `next` is finished, and stores that, unless the lane is fenced. A fence
    /// waits for the store, which calls librdkafka without the network.
    ///
    /// # Errors
    /// If the lane is fenced. Nothing was recorded then.
    pub(super) fn store<T>(&self, next: i64, store: impl FnOnce() -> T) -> Result<T, Stale> {
        let fenced = lock(&self.fenced);
        if *fenced {
            return Err(Stale);
        }
        // Before the attempt: if the partition is just being restarted, it is stored after that.
        self.stored.store(next, SeqCst);
        self.to_commit.store(next, SeqCst);
        Ok(store())
    }

    /// Stores again the offset that the group does not have, unless the lane is fenced. Nothing if the group has
    /// it.
    pub(super) fn store_again(&self, store: impl FnOnce(i64)) {
        let fenced = lock(&self.fenced);
        if let Some(next) = self.uncommitted().filter(|_| !*fenced) {
            store(next);
        }
    }

    /// Commits the finished offset again, although the group has it.
    pub(super) fn commit_again(&self) {
        let _fenced = lock(&self.fenced);
        self.to_commit.store(self.stored(), SeqCst);
        self.committed.store(NONE, SeqCst);
    }

    /// Skips the expired records from `from` up to the log's beginning, because there is nothing to wait for. Only
    /// if everything before `from` is finished; otherwise the skip happens with the store of later records.
    pub(super) fn pass_expired(&self, from: i64, to: i64) {
        let _fenced = lock(&self.fenced);
        if self.stored.compare_exchange(from, to, SeqCst, SeqCst).is_ok() {
            self.to_commit.store(to, SeqCst);
        }
    }

    /// Returns the offset that the group does not have yet; `None` if there is none.
    pub(super) fn uncommitted(&self) -> Option<i64> {
        let (to_commit, committed) = (self.to_commit.load(SeqCst), self.committed.load(SeqCst));
        Some(to_commit).filter(|next| ![NONE, committed].contains(next))
    }

    /// Returns the offset that the group does not have yet, if the lane began before what the group had.
    pub(super) fn set_back(&self) -> Option<i64> {
        self.uncommitted().filter(|_| self.set_back.load(SeqCst))
    }

    /// Records that the group has committed this offset.
    pub(super) fn set_committed(&self, next: i64) {
        self.committed.store(next, SeqCst);
        if next <= self.stored() {
            // It is of this lane, so later ones are higher.
            self.set_back.store(false, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_group_does_not_have_is_to_be_committed() {
        let offsets = LaneOffsets::new(5, false, false);
        assert_eq!(offsets.uncommitted(), None);
        offsets.set_committed(7);
        assert_eq!(offsets.uncommitted(), None, "librdkafka committed what an earlier lane had stored");
        offsets.store(7, || ()).expect("it is not fenced");
        assert_eq!(offsets.uncommitted(), None);
        for other in [NONE, 5, 9] {
            offsets.set_committed(other);
            assert_eq!(offsets.uncommitted(), Some(7), "9 was of another log");
        }
        assert_eq!(LaneOffsets::new(5, true, false).uncommitted(), Some(5));
    }

    #[test]
    fn nothing_is_stored_behind_the_fence() {
        let offsets = LaneOffsets::new(5, true, false);
        offsets.fence();
        assert!(offsets.store(6, || panic!("it is fenced")).is_err());
        offsets.store_again(|_| panic!("it is fenced"));
        assert_eq!(offsets.stored(), 5);
    }

    #[test]
    fn a_lane_that_was_set_back_has_an_offset_to_commit_by_name_until_one_of_its_own_is_committed() {
        let offsets = LaneOffsets::new(5, false, true);
        assert_eq!(offsets.set_back(), None, "nothing is finished");
        offsets.store(6, || ()).expect("it is not fenced");
        offsets.set_committed(9);
        assert_eq!(offsets.set_back(), Some(6), "9 was of the lane before");
        offsets.set_committed(6);
        offsets.store(7, || ()).expect("it is not fenced");
        assert_eq!((offsets.set_back(), offsets.uncommitted()), (None, Some(7)));
    }
}
