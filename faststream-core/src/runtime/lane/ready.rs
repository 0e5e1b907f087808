//! Kept records whose turn came.

use std::collections::{BTreeSet, VecDeque};

/// Records that may begin, and those of them that the brake stops while commits fail.
#[derive(Debug, Default)]
pub(super) struct Ready {
    queue: VecDeque<i64>,
    braked: BTreeSet<i64>,
}

impl Ready {
    pub(super) fn push(&mut self, offset: i64) {
        self.queue.push_back(offset);
    }

    pub(super) fn pop(&mut self) -> Option<i64> {
        self.queue.pop_front()
    }

    pub(super) fn contains(&self, offset: i64) -> bool {
        self.queue.contains(&offset)
    }

    /// Takes this record out of its turn, if it is there.
    pub(super) fn take(&mut self, offset: i64) -> Option<i64> {
        let index = self.queue.iter().position(|ready| *ready == offset)?;
        self.queue.remove(index)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Stops a record until [`release`](Self::release).
    pub(super) fn brake(&mut self, offset: i64) {
        self.braked.insert(offset);
    }

    pub(super) fn has_braked(&self) -> bool {
        !self.braked.is_empty()
    }

    /// Releases the braked records that may begin now, in order, up to the first that may not.
    pub(super) fn release(&mut self, may_begin: impl Fn(i64) -> bool) {
        while let Some(offset) = self.braked.first().copied().filter(|offset| may_begin(*offset)) {
            self.braked.pop_first();
            self.queue.push_back(offset);
        }
    }
}
