//! The control thread's side of a lane: how it ends the lane at any moment, and what the lane's task reports to it.
//!
//! Two threads share a lane. Neither waits for the other longer than for one batch to be taken or one offset to be
//! stored. The task reads records and stores offsets; the control thread may end the lane at any moment.
//!
//! 1. **The fence** ([`LaneHandle::fence`]). First, no more offsets are stored: the flag changes under the lock that is
//!    held while an offset is stored, so a store is either complete before the fence or refused after it. Then the
//!    queue is taken out of its slot: the task receives no message, and nothing that it still does has an effect. Only
//!    then is a revocation answered, so a new owner never reads an offset that changes afterwards. A task that is stuck
//!    in blocking code delays nothing: the fence waits for a lock, never for a call.
//! 2. **Positions.** `position` is the next offset to be read. The task writes it while it holds the queue's slot.
//!    [`settled_position`](LaneHandle::settled_position) takes that lock, because a position that is read in the middle
//!    of a batch would make librdkafka fetch records again that were just handed out.
//! 3. **A log that began again.** An offset below the position belongs to another log (recreated or truncated), and to
//!    a new lane: the task stops there. The exception is a restart that we requested from librdkafka:
//!    [`expect_replay`](LaneHandle::expect_replay) comes before it, [`replay_has_begun`](LaneHandle::replay_has_begun)
//!    after it, and one step back to that offset is allowed, once. It may happen at any moment between the two, in the
//!    middle of a batch.
//! 4. **Drift.** librdkafka counts an error in place of a record as a record, so its own position is one too far. The
//!    lane is marked, and the control thread seeks to the lane's position before librdkafka resumes from its own.
//! 5. **Reports.** The task writes its findings here: corrupt records, a log that began again, refused fetches, and
//!    that it waits for records. The control thread checks them at its next turn.
//!
//! Without the fence, a late task could store an offset that the client commits over the one of the partition's new
//! owner, and the group would be set back.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use faststream_core::TopicPartition;
use faststream_core::broker::Epoch;
use rdkafka::types::RDKafkaRespErr;

use super::offsets::LaneOffsets;
use super::replay::{Replay, find_truncation};
use crate::consumer::client::ConsumerClient;
use crate::consumer::offset_fetch::Begin;
use crate::consumer::topic_ids::note;
use crate::native::{Corruption, PartitionQueue, TopicId, store_offset};

/// The control thread's side of a lane. Shared by the control thread, the lane's task, and a thread that stores
/// late.
pub(in crate::consumer) struct LaneHandle {
    /// The number of this assignment, by which the runtime knows the lane.
    pub(in crate::consumer) epoch: Epoch,
    pub(in crate::consumer) tp: TopicPartition,
    /// The topic in which it began, as it is committed beside its offsets; empty while unknown.
    topic: OnceLock<(String, TopicId)>,
    /// The partition's queue; empty once the partition was released: the lane never gets a message again. The lock
    /// is held while a batch is taken.
    pub(super) queue: Mutex<Option<PartitionQueue>>,
    /// The finished offsets, and the fence.
    pub(super) offsets: LaneOffsets,
    /// The next offset to be read: one past the last record that was handed out, or past markers after it. Written
    /// by the task.
    pub(super) position: AtomicI64,
    /// How librdkafka's position differs from the lane's.
    pub(super) drift: Drift,
    /// A record that cannot be read. Nothing is handed out from there on until it is fetched again. Written by the
    /// task, reset by the control thread.
    pub(super) corruption: Mutex<Option<Corruption>>,
    /// The last error in place of records, for the member's health.
    pub(super) refusal: Mutex<Option<Refusal>>,
    /// The task's demand for records, for the memory budget.
    pub(super) demand: Demand,
    /// Whether the member has paused the partition: nothing is handed out.
    pub(super) paused: AtomicBool,
}

/// The ways in which librdkafka's position differs from the position of the lane.
pub(super) struct Drift {
    /// A restart of librdkafka that we requested, until the first record after it. The control thread writes it,
    /// and the task checks and clears it with each batch.
    pub(super) replay: Mutex<Option<Replay>>,
    /// Where the log began again by itself: it was recreated or truncated, so its offsets belong to other records.
    /// `NONE` while that has not happened; never reset.
    pub(super) truncated: AtomicI64,
    /// Whether librdkafka's own position is one too far, because it counts a trailing error as a record. Set and
    /// reset by the task with each batch, and set by the control thread when records were dropped.
    pub(super) drifted: AtomicBool,
}

/// The demand of a lane's task for records, as of its last turn.
pub(super) struct Demand {
    /// Whether it waits for records, because there were none.
    pub(super) is_hungry: AtomicBool,
    /// The approximate size of a record: its key and value, in bytes.
    pub(super) size: AtomicUsize,
}

/// An error in place of records, until records arrive.
#[derive(Clone, Copy)]
pub(super) struct Refusal {
    /// librdkafka's code of the error.
    error: RDKafkaRespErr,
    /// When it arrived.
    at: Instant,
    /// The lane's position then. A later position means that records have arrived.
    position: i64,
}

/// The assumed size of a record before the first one, in bytes.
const UNKNOWN: usize = 4 << 10;

/// The value for no offset.
const NONE: i64 = -1;

impl LaneHandle {
    /// Returns the handle of a new lane, with a new epoch, at the offset where the partition begins.
    pub(in crate::consumer) fn new(tp: TopicPartition, begin: &Begin, queue: PartitionQueue) -> Self {
        let start = begin.next;
        let topic =
            begin.topic_id.clone().map(|id| (note(&id), id)).map_or_else(OnceLock::new, OnceLock::from);
        Self {
            topic,
            epoch: Epoch::next(),
            tp,
            queue: Mutex::new(Some(queue)),
            offsets: LaneOffsets::new(start, begin.is_uncommitted, begin.is_set_back),
            position: AtomicI64::new(start),
            drift: Drift {
                replay: Mutex::default(),
                truncated: AtomicI64::new(NONE),
                drifted: AtomicBool::new(false),
            },
            corruption: Mutex::default(),
            refusal: Mutex::default(),
            demand: Demand { is_hungry: AtomicBool::new(false), size: AtomicUsize::new(UNKNOWN) },
            paused: AtomicBool::new(false),
        }
    }

    /// Fences the lane: from here on no offset is stored, and no message is handed out. Waits for a store and for
    /// the taking of a batch, but for no task. Returns the queue, to be dropped before the partition's next queue
    /// is taken; `None` if the lane was fenced before.
    pub(in crate::consumer) fn fence(&self) -> Option<PartitionQueue> {
        self.offsets.fence();
        lock(&self.queue).take()
    }

    /// Returns the topic in which it began, if known.
    pub(in crate::consumer) fn topic_id(&self) -> Option<&TopicId> {
        self.topic.get().map(|(_, id)| id)
    }

    /// Sets the topic in which it began. Offsets that were committed without it are committed again.
    pub(in crate::consumer) fn set_topic_id(&self, id: &TopicId) {
        if self.topic.set((note(id), id.clone())).is_ok() {
            self.commit_again();
        }
    }

    /// Returns the metadata to commit beside its offsets; `None` if the topic's id is unknown, or the broker
    /// refuses metadata.
    pub(in crate::consumer) fn note(&self, client: &ConsumerClient) -> Option<&str> {
        self.topic.get().map(|(note, _)| note.as_str()).filter(|_| !client.context().are_notes_refused())
    }

    /// Commits the finished offset again, although the group has it: the next commit contains it.
    pub(in crate::consumer) fn commit_again(&self) {
        self.offsets.commit_again();
    }

    /// Skips the expired records from `from` up to the log's beginning, because there is nothing to wait for.
    pub(in crate::consumer) fn pass_expired(&self, from: i64, to: i64) {
        self.offsets.pass_expired(from, to);
    }

    /// Returns where a new lane of this partition begins: at the end of the finished records.
    pub(in crate::consumer) fn replay(&self) -> Begin {
        let (next, topic_id) = (self.stored(), self.topic_id().cloned());
        Begin { next, topic_id, is_uncommitted: self.uncommitted().is_some(), is_set_back: false }
    }

    /// Returns the next offset to be read. May change at any moment.
    pub(in crate::consumer) fn position(&self) -> i64 {
        self.position.load(SeqCst)
    }

    /// Returns the position while the task is not about to change it.
    pub(in crate::consumer) fn settled_position(&self) -> i64 {
        let _slot = lock(&self.queue);
        self.position()
    }

    /// Returns the next finished offset: the lane's start before the first record.
    pub(in crate::consumer) fn stored(&self) -> i64 {
        self.offsets.stored()
    }

    /// Returns the offset that the group does not have yet; `None` if the group has it.
    pub(in crate::consumer) fn uncommitted(&self) -> Option<i64> {
        self.offsets.uncommitted()
    }

    /// Records that the group has committed this offset, whoever committed it.
    pub(in crate::consumer) fn committed(&self, next: i64) {
        self.offsets.set_committed(next);
    }

    /// Stores the stored offset again, because librdkafka forgets it when a partition is restarted. Nothing if the
    /// group has it, or if the lane was fenced.
    pub(in crate::consumer) fn store_again(&self, client: &ConsumerClient) {
        let TopicPartition { topic, partition } = &self.tp;
        self.offsets.store_again(|stored| {
            if let Err(error) = store_offset(client.handle(), topic, *partition, stored, self.note(client)) {
                let text = format_args!("{}: offset {stored} was not stored again: {error:?}", self.tp);
                client.context().errors.log("store", text);
            }
        });
    }

    /// Expects a restart at this offset. Call it before the restart is requested from librdkafka.
    pub(in crate::consumer) fn expect_replay(&self, from: i64) {
        let mut replay = lock(&self.drift.replay);
        *replay = Some(Replay::expect(from, *replay));
    }

    /// Records that librdkafka has accepted the restart. Call it then: librdkafka hands out none of the records that it
    /// had fetched before.
    pub(in crate::consumer) fn replay_has_begun(&self) {
        // Not in the middle of a batch that was taken before.
        let _slot = lock(&self.queue);
        if let Some(replay) = &mut *lock(&self.drift.replay) {
            replay.begin();
        }
    }

    /// Returns where the log began again by itself. Nothing is handed out from there on, because it belongs to a new
    /// lane.
    pub(in crate::consumer) fn truncated(&self) -> Option<i64> {
        Some(self.drift.truncated.load(SeqCst)).filter(|offset| *offset != NONE)
    }

    /// Records that librdkafka's own position is after something that was not handed out.
    pub(in crate::consumer) fn mark_drifted(&self) {
        self.drift.drifted.store(true, SeqCst);
    }

    /// Returns how many records are fetched and not handed out.
    pub(in crate::consumer) fn queued(&self) -> usize {
        lock(&self.queue).as_ref().map_or(0, PartitionQueue::len)
    }

    /// Returns the queue's lock. While it is held, nothing is taken from the queue.
    pub(in crate::consumer) fn held(&self) -> MutexGuard<'_, Option<PartitionQueue>> {
        lock(&self.queue)
    }

    /// Returns whether its task waits for records, because its queue was empty.
    pub(in crate::consumer) fn is_hungry(&self) -> bool {
        self.demand.is_hungry.load(Relaxed)
    }

    /// Returns the approximate size of a record: its key and value, in bytes.
    pub(in crate::consumer) fn record_size(&self) -> usize {
        self.demand.size.load(Relaxed)
    }

    /// Returns whether librdkafka's own position is too far.
    pub(in crate::consumer) fn is_drifted(&self) -> bool {
        self.drift.drifted.load(SeqCst)
    }

    /// Returns the record that cannot be read, until [`look_again`](Self::look_again).
    pub(in crate::consumer) fn corruption(&self) -> Option<Corruption> {
        lock(&self.corruption).clone()
    }

    /// Records an error in place of records.
    pub(super) fn refuse(&self, error: RDKafkaRespErr) {
        *lock(&self.refusal) = Some(Refusal { error, at: Instant::now(), position: self.position() });
    }

    /// Returns the last error in place of records, if no records arrived since, and its age.
    pub(in crate::consumer) fn refusal(&self) -> Option<(RDKafkaRespErr, Duration)> {
        let Refusal { error, at, position } = (*lock(&self.refusal))?;
        (self.position() <= position).then(|| (error, at.elapsed()))
    }

    /// Clears the error: fetches have succeeded since, even if there are no records.
    pub(in crate::consumer) fn relent(&self) {
        *lock(&self.refusal) = None;
    }

    /// Clears the corruption. Call it when the partition is fetched again.
    pub(in crate::consumer) fn look_again(&self) {
        *lock(&self.corruption) = None;
        self.wake();
    }

    /// Returns where the log began again among these offsets, and how many come before.
    pub(super) fn find_truncation(&self, offsets: impl Iterator<Item = i64>) -> Option<(usize, i64)> {
        find_truncation(self.position(), &mut lock(&self.drift.replay), offsets)
    }

    /// Wakes the lane's task. Nothing if the lane was fenced.
    pub(in crate::consumer) fn wake(&self) {
        if let Some(queue) = &*lock(&self.queue) {
            queue.wake();
        }
    }
}

/// Locks a mutex, also after a panic: the state under these locks is valid at each moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
