//! The control thread's side of a lane: what it can take from its task at any moment, and what the task tells it.

use faststream_core::TopicPartition;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use faststream_core::broker::Epoch;
use rdkafka::types::RDKafkaRespErr;

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
    /// Held while an offset is stored; true once the partition was given back.
    pub(super) fenced: Mutex<bool>,
    /// The next offset to be read.
    pub(super) position: AtomicI64,
    /// The next offset that is finished: stored, or about to be.
    pub(super) stored: AtomicI64,
    /// What is to be committed, and what was; `NONE` before the first.
    pub(super) to_commit: AtomicI64,
    pub(super) committed: AtomicI64,
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
    /// Its task waits for records: there were none.
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

/// We make librdkafka begin again: what comes before the position then is no other log.
#[derive(Clone, Copy)]
pub(super) struct Replay {
    /// From here on records may come again.
    from: i64,
    /// It was made to: the next record is the first of those.
    has_begun: bool,
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
            fenced: Mutex::new(false),
            position: AtomicI64::new(start),
            stored: AtomicI64::new(start),
            to_commit: AtomicI64::new(if begin.is_uncommitted { start } else { NONE }),
            committed: AtomicI64::new(NONE),
            replay: Mutex::default(),
            truncated: AtomicI64::new(NONE),
            drifted: AtomicBool::new(false),
            corruption: Mutex::default(),
            refusal: Mutex::default(),
            is_hungry: AtomicBool::new(false),
            size: AtomicUsize::new(UNKNOWN),
        }
    }

    /// From here on nothing is stored, and no message is handed out. Waits for no task.
    pub(in crate::consumer) fn fence(&self) -> Option<PartitionQueue> {
        *lock(&self.fenced) = true;
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
        let _fenced = lock(&self.fenced);
        self.to_commit.store(self.stored(), SeqCst);
        self.committed.store(NONE, SeqCst);
    }

    /// What was to be read from here on is gone, up to where the log begins: there is nothing to wait for.
    pub(in crate::consumer) fn pass_expired(&self, from: i64, to: i64) {
        let _fenced = lock(&self.fenced);
        if self.stored.compare_exchange(from, to, SeqCst, SeqCst).is_ok() {
            self.to_commit.store(to, SeqCst);
        }
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
        self.stored.load(SeqCst)
    }

    /// What the group has yet to be told.
    pub(in crate::consumer) fn uncommitted(&self) -> Option<i64> {
        uncommitted(self.to_commit.load(SeqCst), self.committed.load(SeqCst))
    }

    /// The group has this now.
    pub(in crate::consumer) fn committed(&self, next: i64) {
        self.committed.store(next, SeqCst);
    }

    /// Stores again what was stored: librdkafka forgets it when a partition begins again.
    pub(in crate::consumer) fn store_again(&self, client: &ConsumerClient) {
        let fenced = lock(&self.fenced);
        let Some(stored) = self.uncommitted().filter(|_| !*fenced) else { return };
        let TopicPartition { topic, partition } = &self.tp;
        if let Err(error) = store_offset(client, topic, *partition, stored, self.note(client)) {
            let text = format_args!("{topic}/{partition}: offset {stored} was not stored again: {error:?}");
            client.context().errors.log("store", text);
        }
    }

    /// To be called before librdkafka is made to begin again at this offset.
    pub(in crate::consumer) fn expect_replay(&self, from: i64) {
        let mut replay = lock(&self.replay);
        let from = replay.map_or(from, |replay| replay.from.min(from));
        *replay = Some(Replay { from, has_begun: false });
    }

    /// To be called when librdkafka was made to: it hands out nothing of what it had fetched before.
    pub(in crate::consumer) fn replay_has_begun(&self) {
        // Not in the middle of a batch that was taken before.
        let _slot = lock(&self.queue);
        if let Some(replay) = &mut *lock(&self.replay) {
            replay.has_begun = true;
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
        self.is_hungry.load(Relaxed)
    }

    /// What a record has, about: its key and value, in bytes.
    pub(in crate::consumer) fn record_size(&self) -> usize {
        self.size.load(Relaxed)
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

/// The first offset below what was handed out before, unless we made librdkafka begin again there: what is left of the old
/// log and the first of the new one may come in one batch. It goes back once for us; whatever goes back later is another
/// log.
fn find_truncation(
    mut position: i64,
    replay: &mut Option<Replay>,
    offsets: impl Iterator<Item = i64>,
) -> Option<(usize, i64)> {
    for (index, offset) in offsets.enumerate() {
        if offset < position && replay.is_none_or(|replay| offset < replay.from) {
            return Some((index, offset));
        }
        *replay = replay.filter(|replay| !replay.has_begun);
        position = offset + 1;
    }
    None
}

/// What is to be committed, unless nothing is, or the group has it.
fn uncommitted(to_commit: i64, committed: i64) -> Option<i64> {
    Some(to_commit).filter(|next| ![NONE, committed].contains(next))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(mut replay: Option<Replay>, offsets: &[i64]) -> Option<(usize, i64)> {
        find_truncation(7, &mut replay, offsets.iter().copied())
    }

    #[test]
    fn only_what_the_group_does_not_have_is_to_be_committed() {
        assert_eq!(uncommitted(NONE, NONE), None);
        assert_eq!(uncommitted(NONE, 7), None, "librdkafka committed what an earlier lane had stored");
        assert_eq!(
            [uncommitted(7, NONE), uncommitted(7, 5), uncommitted(7, 9)],
            [Some(7); 3],
            "9 was of another log"
        );
        assert_eq!(uncommitted(7, 7), None);
    }

    #[test]
    fn a_log_that_began_again_is_found_wherever_it_is_in_a_batch() {
        assert_eq!(find(None, &[7, 8, 12]), None);
        assert_eq!(find(None, &[0, 1]), Some((0, 0)));
        assert_eq!(find(None, &[7, 8, 2, 3]), Some((2, 2)));
        assert_eq!(find(None, &[7, 12, 8]), Some((2, 8)));
    }

    #[test]
    fn what_we_made_to_begin_again_is_no_other_log_and_what_follows_is() {
        let begins = Some(Replay { from: 5, has_begun: false });
        assert_eq!(find(begins, &[7, 8, 5, 6, 7]), None, "it may happen at any moment");
        assert_eq!(find(begins, &[7, 8, 4, 5]), Some((2, 4)));
        let begun = Some(Replay { from: 5, has_begun: true });
        assert_eq!(find(begun, &[5, 6, 7]), None);
        assert_eq!(find(begun, &[4, 5]), Some((0, 4)));
        assert_eq!(find(begun, &[5, 6, 5]), Some((2, 5)), "once");
        assert_eq!(find(begun, &[7, 6]), Some((1, 6)), "nothing had been handed out twice");
        let mut replay = begun;
        assert_eq!(find_truncation(7, &mut replay, [7].into_iter()), None);
        assert!(replay.is_none(), "nor is it in the next batch");
    }
}
