//! The in-memory lane: reads a partition's log, and stores offsets in the cell that it shares with the coordinator.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};

use crate::broker::{Epoch, Lane, LateStore, Stale};
use crate::memory::cluster::{OffsetCell, OpenedLane, SharedCluster, StoredRecord};
use crate::memory::observer::BrokerEvent;
use crate::record::Record;

pub(super) struct MemoryLane {
    opened: OpenedLane,
    batch: Vec<Arc<StoredRecord>>,
}

impl MemoryLane {
    pub(super) fn new(opened: OpenedLane) -> Self {
        Self { opened, batch: Vec::new() }
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

    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<usize> {
        self.batch.clear();
        if self.opened.cell.is_fenced() {
            return Poll::Pending;
        }
        if self.opened.shared.is_offline() {
            self.opened.log.wait(cx.waker());
            return Poll::Pending;
        }
        assert!(!self.opened.shared.is_read_broken(), "broken by script");
        let from = self.opened.cell.position.load(SeqCst);
        self.opened.log.poll_read(from, max, &mut self.batch, cx).map(|next| {
            self.opened.cell.position.store(next, SeqCst);
            self.batch.len()
        })
    }

    fn record(&self, index: usize) -> Record<'_> {
        self.batch[index].borrow(self.opened.log.partition)
    }

    /// Records here are shared already: no buffer is pinned.
    fn detach(&mut self, _from: usize) {}

    fn store(&mut self, next: i64) -> Result<(), Stale> {
        store(&self.opened.cell, &self.opened.shared, next)
    }

    fn late_store(&self) -> Option<LateStore> {
        let (cell, shared) = (Arc::clone(&self.opened.cell), Arc::clone(&self.opened.shared));
        Some(Box::new(move |next| store(&cell, &shared, next)))
    }

    fn set_held(&mut self, held: bool) {
        self.opened.cell.held.store(held, SeqCst);
        self.opened.shared.idle.notify();
    }
}

fn store(cell: &OffsetCell, shared: &SharedCluster, next: i64) -> Result<(), Stale> {
    cell.store(next)?;
    shared.observe(&BrokerEvent::Stored { lane: cell.epoch, next });
    Ok(())
}
