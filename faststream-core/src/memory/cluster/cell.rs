//! The offsets of one lane, which the lane, its client and the coordinator share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

use crate::broker::{Epoch, Stale};

/// The offsets of one lane.
///
/// There is one per assignment, never one per partition: a late store lands in a cell that nobody reads any more.
#[derive(Debug)]
pub(in crate::memory) struct OffsetCell {
    pub(in crate::memory) epoch: Epoch,
    fenced: AtomicBool,
    /// The next offset to be committed; -1 for none.
    stored: AtomicI64,
    /// The next offset to hand out.
    pub(in crate::memory) position: AtomicI64,
    /// Whether nobody will read in the near future.
    pub(in crate::memory) held: AtomicBool,
}

impl OffsetCell {
    pub(super) fn new(epoch: Epoch, start: i64) -> Self {
        Self {
            epoch,
            fenced: AtomicBool::new(false),
            stored: AtomicI64::new(-1),
            position: AtomicI64::new(start),
            held: AtomicBool::new(false),
        }
    }

    /// Takes over what the partition's last lane stored.
    pub(super) fn take_over(&self, stored: i64) {
        self.stored.store(stored, SeqCst);
    }

    /// Stores the next offset, unless the lane is over.
    pub(in crate::memory) fn store(&self, next: i64) -> Result<(), Stale> {
        if self.is_fenced() {
            return Err(Stale);
        }
        self.stored.store(next, SeqCst);
        Ok(())
    }

    pub(in crate::memory) fn fence(&self) {
        self.fenced.store(true, SeqCst);
    }

    pub(in crate::memory) fn is_fenced(&self) -> bool {
        self.fenced.load(SeqCst)
    }

    pub(in crate::memory) fn stored(&self) -> Option<i64> {
        Some(self.stored.load(SeqCst)).filter(|next| *next >= 0)
    }
}
