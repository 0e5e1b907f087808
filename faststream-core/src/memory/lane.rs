//! The in-memory lane, and the cell that it shares with the coordinator.
//!
//! There is one cell per assignment, never one per partition: a late store lands in a cell that nobody reads any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::task::{Context, Poll};

use super::Shared;
use super::log::{PartitionLog, Stored};
use super::observer::BrokerEvent;
use crate::broker::{Epoch, Lane, LateStore, Stale};
use crate::delivery::Record;

#[derive(Debug)]
pub(super) struct Cell {
    pub(super) epoch: Epoch,
    fenced: AtomicBool,
    /// What the committer may commit; -1 for nothing.
    stored: AtomicI64,
    /// The next offset to hand out.
    pub(super) position: AtomicI64,
    pub(super) held: AtomicBool,
}

impl Cell {
    pub(super) fn new(epoch: Epoch, start: i64) -> Self {
        Self {
            epoch,
            fenced: AtomicBool::new(false),
            stored: AtomicI64::new(-1),
            position: AtomicI64::new(start),
            held: AtomicBool::new(false),
        }
    }

    /// What the partition's last lane stored is this one's to commit.
    pub(super) fn take_over(&self, stored: i64) {
        self.stored.store(stored, SeqCst);
    }

    pub(super) fn fence(&self) {
        self.fenced.store(true, SeqCst);
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.fenced.load(SeqCst)
    }

    pub(super) fn stored(&self) -> Option<i64> {
        Some(self.stored.load(SeqCst)).filter(|next| *next >= 0)
    }
}

pub(super) struct MemoryLane {
    pub(super) cell: Arc<Cell>,
    pub(super) log: Arc<PartitionLog>,
    pub(super) start: i64,
    pub(super) shared: Arc<Shared>,
    pub(super) batch: Vec<Arc<Stored>>,
}

impl Lane for MemoryLane {
    fn epoch(&self) -> Epoch {
        self.cell.epoch
    }

    fn topic(&self) -> &str {
        &self.log.topic
    }

    fn partition(&self) -> i32 {
        self.log.partition
    }

    fn start(&self) -> i64 {
        self.start
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<usize> {
        self.batch.clear();
        if self.cell.is_fenced() {
            return Poll::Pending;
        }
        if self.shared.is_offline() {
            self.log.wait(cx.waker());
            return Poll::Pending;
        }
        assert!(!self.shared.is_read_broken(), "broken by script");
        let from = self.cell.position.load(SeqCst);
        self.log.poll_read(from, max, &mut self.batch, cx).map(|next| {
            self.cell.position.store(next, SeqCst);
            self.batch.len()
        })
    }

    fn record(&self, index: usize) -> Record<'_> {
        self.batch[index].borrow(self.log.partition)
    }

    /// Records here are shared already: no buffer is pinned.
    fn detach(&mut self, _from: usize) {}

    fn store(&mut self, next: i64) -> Result<(), Stale> {
        store(&self.cell, &self.shared, next)
    }

    fn late_store(&self) -> Option<LateStore> {
        let (cell, shared) = (Arc::clone(&self.cell), Arc::clone(&self.shared));
        Some(Box::new(move |next| store(&cell, &shared, next)))
    }

    fn set_held(&mut self, held: bool) {
        self.cell.held.store(held, SeqCst);
        self.shared.idle.notify();
    }
}

fn store(cell: &Cell, shared: &Shared, next: i64) -> Result<(), Stale> {
    if cell.is_fenced() {
        return Err(Stale);
    }
    cell.stored.store(next, SeqCst);
    shared.tell(&BrokerEvent::Stored { lane: cell.epoch, next });
    Ok(())
}

/// Nobody reads here any more, however it came about.
impl Drop for MemoryLane {
    fn drop(&mut self) {
        self.cell.fence();
        self.shared.tell(&BrokerEvent::LaneEnded { lane: self.cell.epoch });
        self.shared.idle.notify();
    }
}
