//! What a pause or a seek of the member is to a lane.

use std::sync::atomic::Ordering::SeqCst;

use super::LaneHandle;
use super::handle::lock;

impl LaneHandle {
    /// Begins or ends a pause of the member.
    pub(in crate::consumer) fn set_paused(&self, is_paused: bool) {
        // Not while a batch is being taken.
        let queue = lock(&self.queue);
        self.paused.store(is_paused, SeqCst);
        if let Some(queue) = queue.as_ref().filter(|_| !is_paused) {
            queue.wake();
        }
    }

    /// Returns whether the member has paused the partition.
    pub(in crate::consumer) fn is_paused(&self) -> bool {
        self.paused.load(SeqCst)
    }

    /// Returns the offset to commit by name when the lane ends: it is lower than what the group had, so the client does
    /// not commit it by itself.
    pub(in crate::consumer) fn set_back(&self) -> Option<i64> {
        self.offsets.set_back()
    }
}
