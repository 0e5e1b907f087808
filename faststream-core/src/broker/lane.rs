//! One partition during one assignment, as the runtime reads it.

use std::task::{Context, Poll};

use super::{Epoch, Stale};
use crate::record::Record;

/// Stores the next offset of a lane whose task has no thread for it.
pub type LateStore = Box<dyn Fn(i64) -> Result<(), Stale> + Send + Sync>;

/// One partition during one assignment. Moved into the lane's task, which reads it without a lock.
///
/// It owns its current batch, and records are named by index into it: `record` borrows from `&self`, the trait has no
/// lifetime, and nothing borrowed can live across an `await`.
pub trait Lane: Send {
    /// The number of this assignment.
    fn epoch(&self) -> Epoch;

    /// The topic that is read.
    fn topic(&self) -> &str;

    /// The partition that is read.
    fn partition(&self) -> i32;

    /// The offset at which it was opened: the first record's offset is this or later.
    fn start(&self) -> i64;

    /// Drops the current batch and takes what has arrived, `max` records at most, in offset order.
    ///
    /// `Ready(n)` has n > 0. `Pending` has registered the waker. Never blocks. After the fence it is `Pending` for ever.
    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<usize>;

    /// A record of the current batch.
    ///
    /// # Panics
    /// Beyond the batch, as slices do.
    fn record(&self, index: usize) -> Record<'_>;

    /// Copies the records from `from` on, and frees the broker's buffers; indices stay what they are. Records before
    /// `from` are not read again. Called when a call does not end at once: a suspended call pins no fetch buffer.
    fn detach(&mut self, from: usize);

    /// Hands the next offset to the committer, which is the backend's (timer, retries, close). Monotonic.
    ///
    /// # Errors
    /// [`Stale`] if the lane was fenced: the offset has no effect, then or later.
    fn store(&mut self, next: i64) -> Result<(), Stale>;

    /// What stores for this lane from another thread, for as long as a call has the thread of its task; `None` if nothing
    /// can. It is never called beside [`store`](Self::store).
    fn late_store(&self) -> Option<LateStore> {
        None
    }

    /// Whether records of the current batch may still begin. False while the backend does not know whether the partition is
    /// still ours, as after a freeze of the process; the task is woken when it is true again. Asked once a turn.
    fn may_begin(&self) -> bool {
        true
    }

    /// Sets whether the next record has to wait (it is held, or not due yet), so that nobody reads in the near future. Only a
    /// hint: fetching goes on, or stops by its own limits, and nothing that was stored changes. A backend that knows when all
    /// has settled leaves such a lane out; others ignore it.
    fn set_held(&mut self, _held: bool) {}
}
