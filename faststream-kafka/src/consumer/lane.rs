//! One assigned partition: what its task reads, and what the control thread can take from it at any moment.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use faststream_core::broker::{Epoch, Lane, Stale};
use faststream_core::delivery::{OwnedRecord, Record};
use rdkafka::types::RDKafkaRespErr;

use super::client::Client;
use super::context::Place;
use crate::native::{self, Batch, Damage, PartitionQueue, store_offset};

/// The control thread's side of a lane.
pub(super) struct LaneHandle {
    pub(super) epoch: Epoch,
    pub(super) place: Place,
    /// Empty once the partition was given back: the lane never gets a message again.
    slot: Mutex<Option<PartitionQueue>>,
    /// Held while an offset is stored; true once the partition was given back.
    fenced: Mutex<bool>,
    /// The next offset to be read.
    position: AtomicI64,
    /// The next offset that is finished: stored, or about to be.
    stored: AtomicI64,
    /// What is to be committed, and what was; `NONE` before the first.
    to_commit: AtomicI64,
    committed: AtomicI64,
    /// Until its first record afterwards, if we made librdkafka begin again.
    again: Mutex<Option<Again>>,
    /// Where the log began again by itself: it was made anew, or cut, and its offsets are others now.
    rewound: AtomicI64,
    /// librdkafka counts an error that came last as a record: its own position is one too far.
    skewed: AtomicBool,
    /// What cannot be read: nothing is handed out from there on until it is fetched again.
    damage: Mutex<Option<Damage>>,
}

/// We make librdkafka begin again: what comes before the position then is no other log.
#[derive(Clone, Copy)]
struct Again {
    /// From here on records may come again.
    from: i64,
    /// It was made to: the next record is the first of those.
    has_begun: bool,
}

/// No offset.
const NONE: i64 = -1;

impl LaneHandle {
    /// `is_untold` if `start` is not what the group has committed, and has to be.
    pub(super) fn new(place: Place, start: i64, queue: PartitionQueue, is_untold: bool) -> Self {
        Self {
            epoch: Epoch::next(),
            place,
            slot: Mutex::new(Some(queue)),
            fenced: Mutex::new(false),
            position: AtomicI64::new(start),
            stored: AtomicI64::new(start),
            to_commit: AtomicI64::new(if is_untold { start } else { NONE }),
            committed: AtomicI64::new(NONE),
            again: Mutex::default(),
            rewound: AtomicI64::new(NONE),
            skewed: AtomicBool::new(false),
            damage: Mutex::default(),
        }
    }

    /// From here on nothing is stored, and no message is handed out. Waits for no task.
    pub(super) fn fence(&self) -> Option<PartitionQueue> {
        *lock(&self.fenced) = true;
        lock(&self.slot).take()
    }

    pub(super) fn position(&self) -> i64 {
        self.position.load(SeqCst)
    }

    pub(super) fn stored(&self) -> i64 {
        self.stored.load(SeqCst)
    }

    /// What the group has yet to be told.
    pub(super) fn uncommitted(&self) -> Option<i64> {
        Some(self.to_commit.load(SeqCst)).filter(|next| *next != self.committed.load(SeqCst))
    }

    /// The group has this now.
    pub(super) fn committed(&self, next: i64) {
        self.committed.store(next, SeqCst);
    }

    /// Stores again what was stored: librdkafka forgets it when a partition begins again.
    pub(super) fn store_again(&self, client: &Client) {
        let fenced = lock(&self.fenced);
        let Some(stored) = self.uncommitted().filter(|_| !*fenced) else { return };
        let (topic, partition) = &self.place;
        if let Err(error) = store_offset(client, topic, *partition, stored) {
            let text = format_args!("{topic}/{partition}: offset {stored} was not stored again: {error:?}");
            client.context().errors.tell("store", text);
        }
    }

    /// To be called before librdkafka is made to begin again at this offset.
    pub(super) fn expect_again(&self, from: i64) {
        let mut again = lock(&self.again);
        let from = again.map_or(from, |again| again.from.min(from));
        *again = Some(Again { from, has_begun: false });
    }

    /// To be called when librdkafka was made to: it hands out nothing of what it had fetched before.
    pub(super) fn has_begun_again(&self) {
        // Not in the middle of a batch that was taken before.
        let _slot = lock(&self.slot);
        if let Some(again) = &mut *lock(&self.again) {
            again.has_begun = true;
        }
    }

    /// Where the log began again by itself. Nothing is handed out from there on: it belongs to a new lane.
    pub(super) fn rewound(&self) -> Option<i64> {
        Some(self.rewound.load(SeqCst)).filter(|offset| *offset != NONE)
    }

    /// librdkafka's own position is behind something that was not handed out.
    pub(super) fn skew(&self) {
        self.skewed.store(true, SeqCst);
    }

    /// Whether librdkafka's own position is too far.
    pub(super) fn is_skewed(&self) -> bool {
        self.skewed.load(SeqCst)
    }

    /// What cannot be read, until [`look_again`](Self::look_again).
    pub(super) fn damage(&self) -> Option<Damage> {
        lock(&self.damage).clone()
    }

    /// To be called when it is fetched again.
    pub(super) fn look_again(&self) {
        *lock(&self.damage) = None;
        self.wake();
    }

    /// Where the log began again among these offsets, and how many come before.
    fn find_rewind(&self, offsets: impl Iterator<Item = i64>) -> Option<(usize, i64)> {
        find_rewind(self.position(), &mut lock(&self.again), offsets)
    }

    pub(super) fn wake(&self) {
        if let Some(queue) = &*lock(&self.slot) {
            queue.wake();
        }
    }
}

/// The first offset below what was handed out before, unless we made librdkafka begin again there: what is left of the old
/// log and the first of the new one may come in one batch. It goes back once for us; whatever goes back later is another
/// log.
fn find_rewind(
    mut position: i64,
    again: &mut Option<Again>,
    offsets: impl Iterator<Item = i64>,
) -> Option<(usize, i64)> {
    for (index, offset) in offsets.enumerate() {
        if offset < position && again.is_none_or(|again| offset < again.from) {
            return Some((index, offset));
        }
        *again = again.filter(|again| !again.has_begun);
        position = offset + 1;
    }
    None
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The task's side of a lane.
pub(super) struct KafkaLane {
    handle: Arc<LaneHandle>,
    client: Arc<Client>,
    start: i64,
    /// One past the last record that was handed out.
    handed: i64,
    /// librdkafka's position when the lane was made: of an earlier one, until it changes.
    stale: Option<i64>,
    batch: Held,
    /// Where the log began again, behind the current batch.
    rewind: Option<i64>,
}

/// The current batch.
enum Held {
    Nothing,
    Native(Batch),
    /// Copied from this index on.
    Copied {
        from: usize,
        records: Vec<OwnedRecord>,
    },
}

impl KafkaLane {
    pub(super) fn new(handle: Arc<LaneHandle>, client: Arc<Client>) -> Self {
        let (start, (topic, partition)) = (handle.position(), &handle.place);
        let stale = native::position(&client, topic, *partition);
        Self { handle, client, start, handed: start, stale, batch: Held::Nothing, rewind: None }
    }

    /// Behind the last record there may be transactions' markers, and records of aborted ones before them. All of it is
    /// read, and finished with the last record. To be called when nothing is left in the queue.
    fn heed_markers(&self) {
        let (topic, partition) = &self.handle.place;
        let position = native::position(&self.client, topic, *partition);
        if position == self.stale || self.handle.is_skewed() {
            return;
        }
        let Some(next) = position.filter(|next| *next > self.handle.position()) else { return };
        self.handle.position.store(next, SeqCst);
        if self.handle.stored() >= self.handed {
            // Stale: the lane is over, and its next owner reads that again.
            let _ = self.hand_over(next);
        }
    }

    /// Hands the next offset to the committer.
    fn hand_over(&self, next: i64) -> Result<(), Stale> {
        let fenced = lock(&self.handle.fenced);
        if *fenced {
            return Err(Stale);
        }
        let (topic, partition) = &self.handle.place;
        // Before it is tried: if the partition is just beginning again, it is stored after that.
        self.handle.stored.store(next, SeqCst);
        self.handle.to_commit.store(next, SeqCst);
        match store_offset(&self.client, topic, *partition, next) {
            Ok(()) => Ok(()),
            // Lost, and not told yet; or beginning again.
            Err(
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__STATE
                | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
            ) => Err(Stale),
            Err(error) => {
                let text = format_args!(
                    "{topic}/{partition}: offset {next} was not stored ({error:?}); the next one will be"
                );
                self.client.context().errors.tell("store", text);
                Ok(())
            }
        }
    }
}

impl Lane for KafkaLane {
    fn epoch(&self) -> Epoch {
        self.handle.epoch
    }

    fn topic(&self) -> &str {
        &self.handle.place.0
    }

    fn partition(&self) -> i32 {
        self.handle.place.1
    }

    fn start(&self) -> i64 {
        self.start
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<usize> {
        self.batch = Held::Nothing;
        let slot = lock(&self.handle.slot);
        let Some(queue) = &*slot else { return Poll::Pending };
        if let Some(offset) = self.rewind.take() {
            self.handle.rewound.store(offset, SeqCst);
        }
        if self.handle.rewound().is_some() {
            return Poll::Pending;
        }
        queue.register(cx.waker());
        if self.handle.damage().is_some() {
            return Poll::Pending;
        }
        loop {
            let mut batch = queue.consume(max);
            let damage = batch.cut_at_damage();
            for error in batch.errors() {
                let (topic, partition) = &self.handle.place;
                let text = format_args!("{topic}/{partition}: {error:?} in place of a message");
                self.client.context().errors.tell(&format!("{topic}/{partition} {error:?}"), text);
            }
            let is_skewed = damage.is_some() || !batch.errors().is_empty();
            if batch.len() > 0 || is_skewed {
                self.handle.skewed.store(is_skewed, SeqCst);
            }
            let is_damaged = damage.is_some();
            *lock(&self.handle.damage) = damage;
            let rewind = self.handle.find_rewind(batch.offsets());
            if let Some((before, offset)) = rewind {
                if before == 0 {
                    self.handle.rewound.store(offset, SeqCst);
                    return Poll::Pending;
                }
                batch.truncate(before);
                self.rewind = Some(offset);
            }
            if let Some(next) = batch.next_offset() {
                self.handed = next;
                self.handle.position.store(next, SeqCst);
                let taken = batch.len();
                drop(slot);
                self.batch = Held::Native(batch);
                return Poll::Ready(taken);
            }
            if is_damaged {
                return Poll::Pending;
            }
            // Only errors: there may be messages behind them.
            if batch.errors().is_empty() {
                self.heed_markers();
                return Poll::Pending;
            }
        }
    }

    fn record(&self, index: usize) -> Record<'_> {
        match &self.batch {
            Held::Native(batch) => batch.record(index, &self.handle.place.0),
            Held::Copied { from, records } => {
                records[index - from].borrow(&self.handle.place.0, self.handle.place.1)
            }
            Held::Nothing => panic!("record {index} of no batch"),
        }
    }

    fn detach(&mut self, from: usize) {
        if let Held::Native(batch) = &self.batch {
            let copy = |index| batch.record(index, &self.handle.place.0).to_owned_record();
            self.batch = Held::Copied { from, records: (from..batch.len()).map(copy).collect() };
        }
    }

    fn store(&mut self, next: i64) -> Result<(), Stale> {
        // With the last record, what was read behind it.
        self.hand_over(if next >= self.handed { next.max(self.handle.position()) } else { next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(mut again: Option<Again>, offsets: &[i64]) -> Option<(usize, i64)> {
        find_rewind(7, &mut again, offsets.iter().copied())
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
        let begins = Some(Again { from: 5, has_begun: false });
        assert_eq!(find(begins, &[7, 8, 5, 6, 7]), None, "it may happen at any moment");
        assert_eq!(find(begins, &[7, 8, 4, 5]), Some((2, 4)));
        let begun = Some(Again { from: 5, has_begun: true });
        assert_eq!(find(begun, &[5, 6, 7]), None);
        assert_eq!(find(begun, &[4, 5]), Some((0, 4)));
        assert_eq!(find(begun, &[5, 6, 5]), Some((2, 5)), "once");
        assert_eq!(find(begun, &[7, 6]), Some((1, 6)), "nothing had been handed out twice");
        let mut again = begun;
        assert_eq!(find_rewind(7, &mut again, [7].into_iter()), None);
        assert!(again.is_none(), "nor is it in the next batch");
    }
}
