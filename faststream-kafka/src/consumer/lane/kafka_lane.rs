//! The task's side of a lane: it takes batches from librdkafka's queue, lends their records, and stores offsets.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::{Context, Poll};

use faststream_core::TopicPartition;
use faststream_core::broker::{Epoch, Lane, LateStore, Stale};
use faststream_core::record::{OwnedRecord, Record};
use rdkafka::types::RDKafkaRespErr;

use super::handle::{LaneHandle, lock};
use crate::consumer::client::ConsumerClient;
use crate::native::{self, Batch, store_offset};

/// The task's side of a lane. The task owns it alone.
pub(in crate::consumer) struct KafkaLane {
    /// The part that is shared with the control thread.
    handle: Arc<LaneHandle>,
    /// The client, which lives as long as the lane does.
    client: Arc<ConsumerClient>,
    /// The offset at which the lane was opened.
    start: i64,
    /// One past the highest record that was handed out; the start before the first one.
    handed: i64,
    /// librdkafka's position when the lane was created, which belongs to an earlier lane until it changes.
    stale: Option<i64>,
    /// The current batch, which `record` reads from.
    batch: Held,
    /// Where the log began again, after the current batch. Reported once the batch is finished, so that its
    /// records still count.
    truncation: Option<i64>,
}

/// The current batch.
enum Held {
    /// None: before the first one, and between two.
    Nothing,
    /// Records inside librdkafka's buffers.
    Native(Batch),
    /// Copied from this index on.
    Copied {
        /// The index of the first copied record. Earlier ones are not read again.
        from: usize,
        records: Vec<OwnedRecord>,
    },
}

impl KafkaLane {
    /// Returns the task's side of a lane. Call it before the partition is assigned or restarted, because
    /// librdkafka's position then still belongs to the lane before.
    pub(in crate::consumer) fn new(handle: Arc<LaneHandle>, client: Arc<ConsumerClient>) -> Self {
        let (start, TopicPartition { topic, partition }) = (handle.position(), &handle.tp);
        let stale = native::position(client.handle(), topic, *partition);
        Self { handle, client, start, handed: start, stale, batch: Held::Nothing, truncation: None }
    }

    /// Finishes the transaction markers, and the records of aborted transactions before them, that may follow the
    /// last record: all of it is read, and finished with the last record. Without it, a partition that ends with a
    /// marker keeps a lag forever. Call it when the queue is empty.
    ///
    /// librdkafka's position is used only if it has moved since the lane was created and is not drifted: then it
    /// is after the markers that were taken and never returned.
    fn handle_markers(&self) {
        let TopicPartition { topic, partition } = &self.handle.tp;
        let position = native::position(self.client.handle(), topic, *partition);
        if position == self.stale || self.handle.is_drifted() {
            return;
        }
        // After a restart it may be an earlier one: never less than was handed out before.
        let known = self.handle.position().max(self.handed).max(self.handle.stored());
        let Some(next) = position.filter(|next| *next > known) else { return };
        self.handle.position.store(next, SeqCst);
        if self.handle.stored() >= self.handed {
            // Stale: the lane has ended, and its next owner reads that again.
            let _ = self.hand_over(next);
        }
    }

    /// Records that the log began again at this offset, and wakes the control thread, which creates a new lane.
    /// This lane hands out nothing more.
    fn truncated(&self, offset: i64) {
        self.handle.drift.truncated.store(offset, SeqCst);
        self.client.context().wake_control();
    }

    /// Hands the next offset to the committer.
    ///
    /// # Errors
    /// If the lane was fenced, or if librdkafka no longer has the partition.
    fn hand_over(&self, next: i64) -> Result<(), Stale> {
        hand_over(&self.handle, &self.client, next)
    }
}

/// Hands the next offset of a lane to the committer, on any thread. Other errors of the store are logged, and
/// count as success: the next store contains the offset.
///
/// # Errors
/// If the lane was fenced, or if librdkafka no longer has the partition.
fn hand_over(handle: &LaneHandle, client: &ConsumerClient, next: i64) -> Result<(), Stale> {
    let TopicPartition { topic, partition } = &handle.tp;
    let store = || store_offset(client.handle(), topic, *partition, next, handle.note(client));
    match handle.offsets.store(next, store)? {
        Ok(()) => Ok(()),
        // Lost, and not notified yet; or restarting.
        Err(
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__STATE | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        ) => Err(Stale),
        Err(error) => {
            let text = format_args!(
                "{topic}/{partition}: offset {next} was not stored ({error:?}); the next one will be"
            );
            client.context().errors.log("store", text);
            Ok(())
        }
    }
}

impl Lane for KafkaLane {
    fn epoch(&self) -> Epoch {
        self.handle.epoch
    }

    fn topic(&self) -> &str {
        &self.handle.tp.topic
    }

    fn partition(&self) -> i32 {
        self.handle.tp.partition
    }

    fn start(&self) -> i64 {
        self.start
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<usize> {
        self.batch = Held::Nothing;
        let held = lock(&self.handle.queue);
        let Some(queue) = &*held else { return Poll::Pending };
        if let Some(offset) = self.truncation.take() {
            self.truncated(offset);
        }
        if self.handle.truncated().is_some() {
            return Poll::Pending;
        }
        queue.register(cx.waker());
        if self.handle.corruption().is_some() || self.handle.is_paused() || !self.may_begin() {
            return Poll::Pending;
        }
        loop {
            let size = self.handle.record_size();
            let most = (self.client.batch_bytes() / size.max(1)).clamp(1, max);
            let mut batch = queue.consume(most);
            let corruption = batch.cut_at_corruption();
            for error in batch.errors() {
                let TopicPartition { topic, partition } = &self.handle.tp;
                let text = format_args!("{topic}/{partition}: {error:?} in place of a message");
                self.client.context().errors.log(&format!("{topic}/{partition} {error:?}"), text);
                self.handle.refuse(*error);
            }
            let is_drifted = corruption.is_some() || !batch.errors().is_empty();
            if batch.len() > 0 || is_drifted {
                self.handle.drift.drifted.store(is_drifted, SeqCst);
            }
            let is_corrupt = corruption.is_some();
            *lock(&self.handle.corruption) = corruption;
            let truncation = self.handle.find_truncation(batch.offsets());
            if let Some((before, offset)) = truncation {
                if before == 0 {
                    self.truncated(offset);
                    return Poll::Pending;
                }
                batch.truncate(before);
                self.truncation = Some(offset);
            }
            if let Some(next) = batch.next_offset() {
                self.handed = self.handed.max(next);
                self.handle.position.store(next, SeqCst);
                let taken = batch.len();
                self.handle.demand.size.store(batch.last_size(), Relaxed);
                self.handle.demand.is_hungry.store(false, Relaxed);
                drop(held);
                self.batch = Held::Native(batch);
                return Poll::Ready(taken);
            }
            if is_corrupt {
                self.client.context().wake_control();
                return Poll::Pending;
            }
            // Only errors: messages may follow them.
            if batch.errors().is_empty() {
                self.handle.demand.is_hungry.store(true, Relaxed);
                self.handle_markers();
                return Poll::Pending;
            }
        }
    }

    fn record(&self, index: usize) -> Record<'_> {
        match &self.batch {
            Held::Native(batch) => batch.record(index, &self.handle.tp.topic),
            Held::Copied { from, records } => {
                records[index - from].borrow(&self.handle.tp.topic, self.handle.tp.partition)
            }
            Held::Nothing => panic!("record {index} of no batch"),
        }
    }

    fn detach(&mut self, from: usize) {
        if let Held::Native(batch) = &self.batch {
            let copy = |index| batch.record(index, &self.handle.tp.topic).to_owned_record();
            self.batch = Held::Copied { from, records: (from..batch.len()).map(copy).collect() };
        }
    }

    fn may_begin(&self) -> bool {
        !self.client.context().pulse.is_suspended()
    }

    fn store(&mut self, next: i64) -> Result<(), Stale> {
        // With the last record, everything that was read after it.
        self.hand_over(if next >= self.handed { next.max(self.handle.position()) } else { next })
    }

    fn late_store(&self) -> Option<LateStore> {
        let (handle, client) = (Arc::clone(&self.handle), Arc::clone(&self.client));
        Some(Box::new(move |next| hand_over(&handle, &client, next)))
    }
}
