//! One partition during one assignment, as the runtime reads it.

use std::task::{Context, Poll};

use super::{Epoch, Stale};
use crate::record::Record;

/// Stores the next offset of a lane whose task has no thread for it.
pub type LateStore = Box<dyn Fn(i64) -> Result<(), Stale> + Send + Sync>;

/// One partition during one assignment. It is moved into the lane's task, which reads it without a lock.
///
/// It owns its current batch, and records are identified by their index in the batch: `record` borrows from `&self`,
/// the trait has no lifetime, and nothing borrowed can live across an `await`.
pub trait Lane: Send {
    /// Returns the number of this assignment.
    fn epoch(&self) -> Epoch;

    /// Returns the topic that is read.
    fn topic(&self) -> &str;

    /// Returns the partition that is read.
    fn partition(&self) -> i32;

    /// Returns the offset at which it was opened. The first record's offset is this or later.
    fn start(&self) -> i64;

    /// Drops the current batch and takes the records that have arrived, `max` at most, in offset order.
    ///
    /// `Ready(n)` has n > 0. `Pending` has registered the waker. Never blocks. After the fence it is `Pending` forever.
    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<usize>;

    /// Returns a record of the current batch.
    ///
    /// # Panics
    /// If the index is beyond the batch, as for slices.
    fn record(&self, index: usize) -> Record<'_>;

    /// Copies the records from `from` on, and frees the broker's buffers. Indices stay valid. Records before `from` are
    /// not read again. Called when a call does not end at once, so that a suspended call pins no fetch buffer.
    fn detach(&mut self, from: usize);

    /// Hands the next offset to the backend's committer (timer, retries, close). Monotonic.
    ///
    /// # Errors
    /// [`Stale`] if the lane was fenced: the offset never has an effect.
    fn store(&mut self, next: i64) -> Result<(), Stale>;

    /// Returns a function that stores for this lane from another thread, while a call occupies the thread of the lane's
    /// task; `None` if that is not possible. It never runs at the same time as [`store`](Self::store).
    fn late_store(&self) -> Option<LateStore> {
        None
    }

    /// Returns whether records of the current batch may still begin. False while the backend does not know whether the
    /// partition is still ours, as after a freeze of the process. The task is woken when it is true again. Checked once
    /// a turn.
    fn may_begin(&self) -> bool {
        true
    }

    /// Sets whether the next record has to wait (it is held, or not due yet), so that nothing is read soon. Only a
    /// hint: fetching continues, or stops by its own limits, and stored offsets do not change. A backend that detects
    /// when everything has settled ignores such a lane; others ignore the hint.
    fn set_held(&mut self, _held: bool) {}
}
