//! The control thread's side of a lane: what it can take from its task at any moment, and what the task reports to it.
//!
//! A lane is shared by two threads that never wait for each other longer than for one batch to be taken or one offset to be
//! stored. The task reads records and stores offsets; the control thread may end the lane at any moment.
//!
//! 1. **The fence** ([`LaneHandle::fence`]). First no offset is stored any more: the flag is changed under the lock that is
//!    held while an offset is stored, so a store is either complete before the fence or refused after it. Then the queue is
//!    taken out of its slot: the task receives no message, and whatever it still does changes nothing. Only then is a
//!    revocation answered, so a new owner never reads an offset that changes afterwards. A task that is stuck in blocking
//!    code delays nothing: the fence waits for a lock, never for a call.
//! 2. **Positions.** `position` is the next offset to be read, written by the task while it holds the queue's slot.
//!    [`settled_position`](LaneHandle::settled_position) takes that lock, because a position that is read in the middle of
//!    a batch would make librdkafka fetch records again that were just handed out.
//! 3. **A log that began again.** An offset below the position is another log (made anew, or cut), and a new lane's affair:
//!    the task stops there. Unless we made librdkafka begin again: [`expect_replay`](LaneHandle::expect_replay) comes before
//!    that, [`replay_has_begun`](LaneHandle::replay_has_begun) after it, and one step back to that offset is allowed, once.
//!    It may happen at any moment between the two, in the middle of a batch.
//! 4. **Drift.** librdkafka counts an error in place of a record as a record, so its own position is one too far. The lane is
//!    marked, and the control thread seeks to the lane's position before librdkafka resumes from its own.
//! 5. **Reports.** What the task finds (corrupt records, a log that began again, refused fetches, that it waits for records)
//!    it writes here; the control thread looks at its next turn.
//!
//! Without the fence, a task that is a moment late stores an offset that the client commits over the one of the partition's
//! new owner, and the group is set back.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use faststream_core::TopicPartition;
use faststream_core::broker::Epoch;
use rdkafka::types::RDKafkaRespErr;

use super::lock;
use super::offsets::LaneOffsets;
use super::replay::{Replay, find_truncation};
use crate::consumer::client::ConsumerClient;
use crate::consumer::offset_fetch::Begin;
use crate::consumer::topic_ids::note;
use crate::native::{Corruption, PartitionQueue, TopicId, store_offset};

/// The control thread's side of a lane.
pub(in crate::consumer) struct LaneHandle {
    pub(in crate::consumer) epoch: Epoch,
    pub(in crate::consumer) tp: TopicPartition,
    /// Which topic it began in, with what is committed beside its offsets; empty while that is not known.
    topic: OnceLock<(String, TopicId)>,
    /// Empty once the partition was given back: the lane never gets a message again.
    pub(super) queue: Mutex<Option<PartitionQueue>>,
    /// What is finished, and the fence.
    pub(super) offsets: LaneOffsets,
    /// The next offset to be read.
    pub(super) position: AtomicI64,
    /// Until its first record afterwards, if we made librdkafka begin again.
    pub(super) replay: Mutex<Option<Replay>>,
    /// Where the log began again by itself: it was made anew, or cut, and its offsets are others now.
    pub(super) truncated: AtomicI64,
    /// librdkafka counts an error that came last as a record: its own position is one too far.
    pub(super) drifted: AtomicBool,
    /// What cannot be read: nothing is handed out from there on until it is fetched again.
    pub(super) corruption: Mutex<Option<Corruption>>,
    /// The last error in place of records.
    pub(super) refusal: Mutex<Option<Refusal>>,
    /// What its task takes.
    pub(super) demand: Demand,
}

/// What the task of a lane takes, as it was last seen.
pub(super) struct Demand {
    /// It waits for records: there were none.
    pub(super) is_hungry: AtomicBool,
    /// What a record has, about: its key and value, in bytes.
    pub(super) size: AtomicUsize,
}

/// An error in place of records, until there are some.
#[derive(Clone, Copy)]
pub(super) struct Refusal {
    error: RDKafkaRespErr,
    at: Instant,
    position: i64,
}

/// What a record is taken for before the first.
const UNKNOWN: usize = 4 << 10;

/// No offset.
const NONE: i64 = -1;

impl LaneHandle {
    pub(in crate::consumer) fn new(tp: TopicPartition, begin: &Begin, queue: PartitionQueue) -> Self {
        let start = begin.next;
        let topic =
            begin.topic_id.clone().map(|id| (note(&id), id)).map_or_else(OnceLock::new, OnceLock::from);
        Self {
            topic,
            epoch: Epoch::next(),
            tp,
            queue: Mutex::new(Some(queue)),
            offsets: LaneOffsets::new(start, begin.is_uncommitted),
            position: AtomicI64::new(start),
            replay: Mutex::default(),
            truncated: AtomicI64::new(NONE),
            drifted: AtomicBool::new(false),
            corruption: Mutex::default(),
            refusal: Mutex::default(),
            demand: Demand { is_hungry: AtomicBool::new(false), size: AtomicUsize::new(UNKNOWN) },
        }
    }

    /// From here on nothing is stored, and no message is handed out. Waits for no task.
    pub(in crate::consumer) fn fence(&self) -> Option<PartitionQueue> {
        self.offsets.fence();
        lock(&self.queue).take()
    }

    /// Which topic it began in, if that is known.
    pub(in crate::consumer) fn topic_id(&self) -> Option<&TopicId> {
        self.topic.get().map(|(_, id)| id)
    }

    /// This is the topic that it began in. What was committed without it is committed again.
    pub(in crate::consumer) fn set_topic_id(&self, id: &TopicId) {
        if self.topic.set((note(id), id.clone())).is_ok() {
            self.commit_again();
        }
    }

    /// What is committed beside its offsets.
    pub(in crate::consumer) fn note(&self, client: &ConsumerClient) -> Option<&str> {
        self.topic.get().map(|(note, _)| note.as_str()).filter(|_| !client.context().are_notes_refused())
    }

    /// What is finished is committed once more, though the group has it.
    pub(in crate::consumer) fn commit_again(&self) {
        self.offsets.commit_again();
    }

    /// What was to be read from here on is gone, up to where the log begins: there is nothing to wait for.
    pub(in crate::consumer) fn pass_expired(&self, from: i64, to: i64) {
        self.offsets.pass_expired(from, to);
    }

    /// Where a new lane of this partition begins.
    pub(in crate::consumer) fn replay(&self) -> Begin {
        let (next, topic_id) = (self.stored(), self.topic_id().cloned());
        Begin { next, topic_id, is_uncommitted: self.uncommitted().is_some() }
    }

    pub(in crate::consumer) fn position(&self) -> i64 {
        self.position.load(SeqCst)
    }

    /// The position while the task is not about to change it.
    pub(in crate::consumer) fn settled_position(&self) -> i64 {
        let _slot = lock(&self.queue);
        self.position()
    }

    pub(in crate::consumer) fn stored(&self) -> i64 {
        self.offsets.stored()
    }

    /// What the group has yet to be told.
    pub(in crate::consumer) fn uncommitted(&self) -> Option<i64> {
        self.offsets.uncommitted()
    }

    /// The group has this now.
    pub(in crate::consumer) fn committed(&self, next: i64) {
        self.offsets.set_committed(next);
    }

    /// Stores again what was stored: librdkafka forgets it when a partition begins again.
    pub(in crate::consumer) fn store_again(&self, client: &ConsumerClient) {
        let TopicPartition { topic, partition } = &self.tp;
        self.offsets.store_again(|stored| {
            if let Err(error) = store_offset(client.handle(), topic, *partition, stored, self.note(client)) {
                let text = format_args!("{}: offset {stored} was not stored again: {error:?}", self.tp);
                client.context().errors.log("store", text);
            }
        });
    }

    /// To be called before librdkafka is made to begin again at this offset.
    pub(in crate::consumer) fn expect_replay(&self, from: i64) {
        let mut replay = lock(&self.replay);
        *replay = Some(Replay::expect(from, *replay));
    }

    /// To be called when librdkafka was made to: it hands out nothing of what it had fetched before.
    pub(in crate::consumer) fn replay_has_begun(&self) {
        // Not in the middle of a batch that was taken before.
        let _slot = lock(&self.queue);
        if let Some(replay) = &mut *lock(&self.replay) {
            replay.begin();
        }
    }

    /// Where the log began again by itself. Nothing is handed out from there on: it belongs to a new lane.
    pub(in crate::consumer) fn truncated(&self) -> Option<i64> {
        Some(self.truncated.load(SeqCst)).filter(|offset| *offset != NONE)
    }

    /// librdkafka's own position is behind something that was not handed out.
    pub(in crate::consumer) fn mark_drifted(&self) {
        self.drifted.store(true, SeqCst);
    }

    /// How many records are fetched and not handed out.
    pub(in crate::consumer) fn queued(&self) -> usize {
        lock(&self.queue).as_ref().map_or(0, PartitionQueue::len)
    }

    /// While this is held, nothing is taken from the queue.
    pub(in crate::consumer) fn held(&self) -> MutexGuard<'_, Option<PartitionQueue>> {
        lock(&self.queue)
    }

    /// Whether its task waits for records.
    pub(in crate::consumer) fn is_hungry(&self) -> bool {
        self.demand.is_hungry.load(Relaxed)
    }

    /// What a record has, about: its key and value, in bytes.
    pub(in crate::consumer) fn record_size(&self) -> usize {
        self.demand.size.load(Relaxed)
    }

    /// Whether librdkafka's own position is too far.
    pub(in crate::consumer) fn is_drifted(&self) -> bool {
        self.drifted.load(SeqCst)
    }

    /// What cannot be read, until [`look_again`](Self::look_again).
    pub(in crate::consumer) fn corruption(&self) -> Option<Corruption> {
        lock(&self.corruption).clone()
    }

    /// An error came in place of records.
    pub(super) fn refuse(&self, error: RDKafkaRespErr) {
        *lock(&self.refusal) = Some(Refusal { error, at: Instant::now(), position: self.position() });
    }

    /// The last error in place of records, if none came since, and its age.
    pub(in crate::consumer) fn refusal(&self) -> Option<(RDKafkaRespErr, Duration)> {
        let Refusal { error, at, position } = (*lock(&self.refusal))?;
        (self.position() <= position).then(|| (error, at.elapsed()))
    }

    /// Records could be fetched since, though there may be none.
    pub(in crate::consumer) fn relent(&self) {
        *lock(&self.refusal) = None;
    }

    /// To be called when it is fetched again.
    pub(in crate::consumer) fn look_again(&self) {
        *lock(&self.corruption) = None;
        self.wake();
    }

    /// Where the log began again among these offsets, and how many come before.
    pub(super) fn find_truncation(&self, offsets: impl Iterator<Item = i64>) -> Option<(usize, i64)> {
        find_truncation(self.position(), &mut lock(&self.replay), offsets)
    }

    pub(in crate::consumer) fn wake(&self) {
        if let Some(queue) = &*lock(&self.queue) {
            queue.wake();
        }
    }
}
