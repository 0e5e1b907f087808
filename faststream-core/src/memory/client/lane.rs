//! The in-memory lane: reads the log of a partition, and stores offsets in the cell that it shares with the
//! coordinator.
//!
//! A lane runs on the task of its partition. Reading takes the lock of the log only, storing takes no lock at all:
//! the lock of the cluster stays out of the path of a record.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};

use crate::broker::{Epoch, Lane, LateStore, Stale};
use crate::memory::cluster::{OffsetCell, OpenedLane, SharedCluster, StoredRecord};
use crate::memory::observer::BrokerEvent;
use crate::record::Record;

/// A partition during one assignment, as a client reads it.
pub(super) struct MemoryLane {
    /// The cell and the log. Dropping it ends the lane.
    opened: OpenedLane,
    /// The records of the last `poll_fill`. `Lane::record` indexes into it.
    batch: Vec<Arc<StoredRecord>>,
}

impl MemoryLane {
    /// Returns a lane that has read nothing yet.
    pub(super) fn new(opened: OpenedLane) -> Self {
        Self { opened, batch: Vec::new() }
    }

    /// Whether the broker cannot be reached, or the member has paused the partition.
    fn may_not_read(&self) -> bool {
        self.opened.shared.is_offline() || self.opened.cell.is_paused()
    }
}

impl Lane for MemoryLane {
    fn epoch(&self) -> Epoch {
        self.opened.cell.epoch
    }

    fn topic(&self) -> &str {
        &self.opened.log.topic
    }

    fn partition(&self) -> i32 {
        self.opened.log.partition
    }

    fn start(&self) -> i64 {
        self.opened.start
    }

    /// Copies pointers to the records that have arrived, `max` at most, and moves the position behind them.
    ///
    /// A fenced lane stays pending forever. While the broker is disconnected, the waker waits in the log, and the
    /// end of the disconnection wakes it.
    ///
    /// # Panics
    /// If a test broke this read (`MemoryBroker::break_reads`): the runtime has to survive a dead task of a lane.
    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<usize> {
        self.batch.clear();
        if self.opened.cell.is_fenced() {
            return Poll::Pending;
        }
        if self.may_not_read() {
            self.opened.log.wait(cx.waker());
            // It may have ended in between.
            if self.may_not_read() {
                return Poll::Pending;
            }
        }
        assert!(!self.opened.shared.is_read_broken(), "broken by script");
        let from = self.opened.cell.position.load(SeqCst);
        self.opened.log.poll_read(from, max, &mut self.batch, cx).map(|next| {
            self.opened.cell.position.store(next, SeqCst);
            self.batch.len()
        })
    }

    /// The record borrows from the shared copy in the log, so nothing is copied.
    fn record(&self, index: usize) -> Record<'_> {
        self.batch[index].borrow(self.opened.log.partition)
    }

    /// Records here are shared already: no buffer is pinned.
    fn detach(&mut self, _from: usize) {}

    /// Takes no lock: one atomic write, and the observer's if there is one.
    fn store(&mut self, next: i64) -> Result<(), Stale> {
        store(&self.opened.cell, &self.opened.shared, next)
    }

    /// Always possible: the cell is shared and outlives the lane, whose fence then refuses the store.
    fn late_store(&self) -> Option<LateStore> {
        let (cell, shared) = (Arc::clone(&self.opened.cell), Arc::clone(&self.opened.shared));
        Some(Box::new(move |next| store(&cell, &shared, next)))
    }

    /// Notes the hint in the cell, and notifies a test that waits until everything has settled: a held record is
    /// not waited for.
    fn set_held(&mut self, held: bool) {
        self.opened.cell.held.store(held, SeqCst);
        self.opened.shared.idle.notify();
    }
}

/// Stores the next offset of a lane, from its task or from the thread of a blocking call, and notifies the
/// observer.
fn store(cell: &OffsetCell, shared: &SharedCluster, next: i64) -> Result<(), Stale> {
    cell.store(next)?;
    shared.observe(&BrokerEvent::Stored { lane: cell.epoch, next });
    Ok(())
}
