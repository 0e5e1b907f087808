//! The offsets of one lane: what is finished, what the group has of it, and the fence that ends both.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use faststream_core::broker::Stale;

use super::lock;

/// No offset.
const NONE: i64 = -1;

/// What a lane has finished. Nothing changes it once it is fenced.
pub(super) struct LaneOffsets {
    /// Held while an offset is stored; true once the partition was given back.
    fenced: Mutex<bool>,
    /// The next offset that is finished: stored, or about to be.
    stored: AtomicI64,
    /// What is to be committed, and what was; `NONE` before the first.
    to_commit: AtomicI64,
    committed: AtomicI64,
}

impl LaneOffsets {
    /// `is_uncommitted`: where it begins is not what the group has committed.
    pub(super) fn new(start: i64, is_uncommitted: bool) -> Self {
        Self {
            fenced: Mutex::new(false),
            stored: AtomicI64::new(start),
            to_commit: AtomicI64::new(if is_uncommitted { start } else { NONE }),
            committed: AtomicI64::new(NONE),
        }
    }

    /// From here on nothing is stored.
    pub(super) fn fence(&self) {
        *lock(&self.fenced) = true;
    }

    pub(super) fn stored(&self) -> i64 {
        self.stored.load(SeqCst)
    }

    /// Records that everything before `next` is finished, and stores that: unless it is fenced, and not while it becomes so.
    pub(super) fn store<T>(&self, next: i64, store: impl FnOnce() -> T) -> Result<T, Stale> {
        let fenced = lock(&self.fenced);
        if *fenced {
            return Err(Stale);
        }
        // Before it is tried: if the partition is just beginning again, it is stored after that.
        self.stored.store(next, SeqCst);
        self.to_commit.store(next, SeqCst);
        Ok(store())
    }

    /// Stores once more what the group does not have, unless it is fenced.
    pub(super) fn store_again(&self, store: impl FnOnce(i64)) {
        let fenced = lock(&self.fenced);
        if let Some(next) = self.uncommitted().filter(|_| !*fenced) {
            store(next);
        }
    }

    /// What is finished is committed once more, though the group has it.
    pub(super) fn commit_again(&self) {
        let _fenced = lock(&self.fenced);
        self.to_commit.store(self.stored(), SeqCst);
        self.committed.store(NONE, SeqCst);
    }

    /// What was to be read from `from` on is gone, up to where the log begins: there is nothing to wait for.
    pub(super) fn pass_expired(&self, from: i64, to: i64) {
        let _fenced = lock(&self.fenced);
        if self.stored.compare_exchange(from, to, SeqCst, SeqCst).is_ok() {
            self.to_commit.store(to, SeqCst);
        }
    }

    /// What the group does not have yet.
    pub(super) fn uncommitted(&self) -> Option<i64> {
        let (to_commit, committed) = (self.to_commit.load(SeqCst), self.committed.load(SeqCst));
        Some(to_commit).filter(|next| ![NONE, committed].contains(next))
    }

    /// The group has this now.
    pub(super) fn set_committed(&self, next: i64) {
        self.committed.store(next, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_group_does_not_have_is_to_be_committed() {
        let offsets = LaneOffsets::new(5, false);
        assert_eq!(offsets.uncommitted(), None);
        offsets.set_committed(7);
        assert_eq!(offsets.uncommitted(), None, "librdkafka committed what an earlier lane had stored");
        offsets.store(7, || ()).expect("it is not fenced");
        assert_eq!(offsets.uncommitted(), None);
        for other in [NONE, 5, 9] {
            offsets.set_committed(other);
            assert_eq!(offsets.uncommitted(), Some(7), "9 was of another log");
        }
        assert_eq!(LaneOffsets::new(5, true).uncommitted(), Some(5));
    }

    #[test]
    fn nothing_is_stored_behind_the_fence() {
        let offsets = LaneOffsets::new(5, true);
        offsets.fence();
        assert!(offsets.store(6, || panic!("it is fenced")).is_err());
        offsets.store_again(|_| panic!("it is fenced"));
        assert_eq!(offsets.stored(), 5);
    }
}
