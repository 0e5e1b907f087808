//! The offsets of one lane, shared by the lane, its client and the coordinator.
//!
//! All fields are atomics, so the task of the lane neither takes nor waits for the lock of the cluster. The lane
//! writes `stored`, `position` and `held`; the client writes the fence; the client and the coordinator read.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

use crate::broker::{Epoch, Stale};

/// The offsets of one lane.
///
/// There is one for each assignment, never one for each partition: a late store reaches a cell that nobody reads
/// any more.
#[derive(Debug)]
pub(in crate::memory) struct OffsetCell {
    /// The lane.
    pub(in crate::memory) epoch: Epoch,
    /// Whether the lane has ended. Never reset.
    fenced: AtomicBool,
    /// The next offset to be committed; -1 if nothing was stored. Written when the runtime stores; a commit reads
    /// it and leaves it as it is.
    stored: AtomicI64,
    /// The next offset to read: behind the last record that was handed to the runtime.
    pub(in crate::memory) position: AtomicI64,
    /// Whether the lane's next record is held or not due yet, so that nothing is read soon.
    pub(in crate::memory) held: AtomicBool,
    /// Whether the member has paused the partition.
    paused: AtomicBool,
}

impl OffsetCell {
    /// Returns the cell of a lane that begins at `start`, with nothing stored.
    pub(super) fn new(epoch: Epoch, start: i64) -> Self {
        Self {
            epoch,
            fenced: AtomicBool::new(false),
            stored: AtomicI64::new(-1),
            position: AtomicI64::new(start),
            held: AtomicBool::new(false),
            paused: AtomicBool::new(false),
        }
    }

    /// Sets what the partition's last lane stored: its task died before a commit.
    pub(super) fn take_over(&self, stored: i64) {
        self.stored.store(stored, SeqCst);
    }

    /// Stores the next offset.
    ///
    /// # Errors
    /// [`Stale`] if the lane has ended.
    pub(in crate::memory) fn store(&self, next: i64) -> Result<(), Stale> {
        if self.is_fenced() {
            return Err(Stale);
        }
        self.stored.store(next, SeqCst);
        Ok(())
    }

    pub(in crate::memory) fn set_paused(&self, is_paused: bool) {
        self.paused.store(is_paused, SeqCst);
    }

    pub(in crate::memory) fn is_paused(&self) -> bool {
        self.paused.load(SeqCst)
    }

    /// Ends the lane: what it stores from now on is refused, and it reads nothing more.
    pub(in crate::memory) fn fence(&self) {
        self.fenced.store(true, SeqCst);
    }

    /// Returns whether the lane has ended.
    pub(in crate::memory) fn is_fenced(&self) -> bool {
        self.fenced.load(SeqCst)
    }

    /// Returns the next offset to be committed; `None` if nothing was stored.
    pub(in crate::memory) fn stored(&self) -> Option<i64> {
        Some(self.stored.load(SeqCst)).filter(|next| *next >= 0)
    }
}
