//! What others may do to a running lane: stop it, fence it, tell it of commits, settle by hand.

use std::collections::BTreeSet;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
    Ordering::SeqCst,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::BusyGuard;
use super::settled::{Inbox, Settled, Waiters};
use super::unfinished::{Unfinished, WhyUnfinished};
use crate::app::{ManuallySettled, Observer};
use crate::broker::{Epoch, Stale};

/// Where nothing is known yet.
const NOTHING: i64 = i64::MIN;

/// One per lane, shared by pointer. An `Ack` holds the pointer, so it cannot reach another assignment of the partition:
/// staleness is identity, no number is compared.
pub struct LaneControl {
    pub(crate) epoch: Epoch,
    topic: Arc<str>,
    partition: i32,
    /// The record at which earlier tasks of the partition died, and how many did.
    deaths: Option<(i64, u32)>,
    /// Revoked or shutting down.
    pub(crate) cancelled: CancellationToken,
    /// The same, to be asked for each record: a token takes a lock.
    stopping: AtomicBool,
    /// The next offset that the broker has.
    committed: AtomicI64,
    /// The next offset that was handed to the committer.
    stored: AtomicI64,
    /// Up to where everything is finished, as of the last call's begin: stored or not yet.
    finished: AtomicI64,
    /// One store at a time, each further than the last: the task's own, and those while a call has its thread.
    storing: Mutex<i64>,
    /// The oldest unfinished record, for what is said when the lane is cut off.
    oldest: AtomicI64,
    /// The record that the task works at now: its handler is in its first poll, or what came of it is decided.
    begun: AtomicI64,
    /// How often a turn of the task has begun or ended: odd while one goes on.
    turns: AtomicU64,
    /// The records whose plain functions run now.
    plain: Mutex<BTreeSet<i64>>,
    /// A call that takes long without blocking.
    slow: Mutex<Option<(i64, Instant)>>,
    /// Commits fail: no more than the limit is delivered beyond the last accepted one.
    braked: AtomicBool,
    /// Nothing begins before `on_assigned` has ended.
    gated: AtomicBool,
    /// What a drain waits for, since the last turn of the task.
    unfinished: Mutex<Option<Unfinished>>,
    inbox: Inbox,
    waker: AtomicWaker,
    /// For those who wait until their record is durable: a commit was accepted, or the lane is over.
    moved: Notify,
    /// The records of those who wait.
    waiters: Waiters,
    /// Told of what is settled by hand.
    observer: Option<Arc<dyn Observer>>,
}

impl LaneControl {
    /// The control of a lane that begins at the next offset `start`.
    pub(crate) fn new(epoch: Epoch, start: i64) -> Self {
        Self {
            epoch,
            topic: "".into(),
            partition: 0,
            deaths: None,
            cancelled: CancellationToken::new(),
            stopping: AtomicBool::new(false),
            committed: AtomicI64::new(start),
            stored: AtomicI64::new(NOTHING),
            finished: AtomicI64::new(NOTHING),
            storing: Mutex::new(NOTHING),
            oldest: AtomicI64::new(NOTHING),
            begun: AtomicI64::new(NOTHING),
            turns: AtomicU64::new(0),
            plain: Mutex::default(),
            slow: Mutex::new(None),
            braked: AtomicBool::new(false),
            gated: AtomicBool::new(false),
            unfinished: Mutex::new(None),
            inbox: Inbox::default(),
            waker: AtomicWaker::new(),
            moved: Notify::new(),
            waiters: Waiters::default(),
            observer: None,
        }
    }

    /// Tells what is settled by hand to `observer`.
    pub(super) fn observed(mut self, observer: Option<Arc<dyn Observer>>) -> Self {
        self.observer = observer;
        self
    }

    /// Which partition it is.
    pub(super) fn of(mut self, topic: Arc<str>, partition: i32) -> Self {
        (self.topic, self.partition) = (topic, partition);
        self
    }

    /// So many earlier tasks of the partition died at this record.
    pub(super) fn after_deaths(mut self, deaths: Option<(i64, u32)>) -> Self {
        self.deaths = deaths;
        self
    }

    /// How many earlier tasks of the partition died at this record.
    pub(super) fn deaths_at(&self, offset: i64) -> Option<u32> {
        self.deaths.filter(|(at, _)| *at == offset).map(|(_, times)| times)
    }

    /// What is settled by hand counts as under way until the task has read it.
    pub(super) fn counted_busy_by(self, busy: BusyGuard) -> Self {
        self.inbox.counted_busy_by(busy);
        self
    }

    /// Nothing new is begun from now on; running calls are told.
    pub(super) fn stop(&self) {
        self.stopping.store(true, SeqCst);
        self.cancelled.cancel();
        self.waker.wake();
    }

    /// The broker has everything before `next`.
    pub(super) fn committed(&self, next: i64) {
        self.committed.fetch_max(next, SeqCst);
        self.braked.store(false, SeqCst);
        self.waker.wake();
        self.moved.notify_waiters();
    }

    pub(super) fn close_gate(&self) {
        self.gated.store(true, SeqCst);
    }

    pub(super) fn open_gate(&self) {
        self.gated.store(false, SeqCst);
        self.waker.wake();
    }

    pub(super) fn is_gated(&self) -> bool {
        self.gated.load(SeqCst)
    }

    pub(super) fn brake(&self) {
        self.braked.store(true, SeqCst);
    }

    /// Something is stored that the broker does not have.
    pub(super) fn is_dirty(&self) -> bool {
        self.stored.load(SeqCst) > self.committed_offset()
    }

    /// Something was delivered that the broker does not know to be finished: it is stored, or not even that.
    pub(super) fn is_behind(&self) -> bool {
        self.is_dirty() || self.oldest.load(SeqCst) != NOTHING
    }

    /// How many offsets are stored that the broker does not have.
    pub(super) fn uncommitted(&self) -> u64 {
        let stored = self.stored.load(SeqCst);
        if stored == NOTHING {
            0
        } else {
            u64::try_from(stored.saturating_sub(self.committed_offset())).unwrap_or(0)
        }
    }

    /// Up to where everything is finished.
    pub(super) fn finished_to(&self) -> i64 {
        self.stored.load(SeqCst).max(self.committed_offset())
    }

    /// From here on settling says `Stale`. What was settled before is returned, so that an ack that was told `Ok`
    /// still counts.
    pub(super) fn fence(&self) -> Vec<Settled> {
        self.stopping.store(true, SeqCst);
        self.cancelled.cancel();
        let settled = self.inbox.fence();
        self.moved.notify_waiters();
        settled
    }

    /// Waits until the broker has everything up to this record.
    pub(super) async fn durable(&self, offset: i64) -> Result<(), Stale> {
        let _waits = self.waiters.wait(offset);
        self.waker.wake();
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Registered before the look, or a change in between would be missed.
            moved.as_mut().enable();
            if self.committed_offset() > offset {
                return Ok(());
            }
            if self.inbox.is_fenced() {
                return Err(Stale);
            }
            moved.await;
        }
    }

    /// Whether somebody waits until one of these records is durable.
    pub(super) fn any_waits_until_durable(&self, of: impl Fn(i64) -> bool) -> bool {
        self.waiters.any(of)
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    pub(super) fn is_braked(&self) -> bool {
        self.braked.load(SeqCst)
    }

    pub(super) fn committed_offset(&self) -> i64 {
        self.committed.load(SeqCst)
    }

    /// A turn of the task begins or ends.
    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    /// The task works at this record; `None`: not any more. Relaxed: read from elsewhere it is only said; what is decided
    /// by it is read once the task is gone.
    pub(super) fn begins(&self, offset: Option<i64>) {
        self.begun.store(offset.unwrap_or(NOTHING), Relaxed);
    }

    /// Whether the other one is another assignment of the same partition.
    pub(super) fn is_of_partition_of(&self, other: &Self) -> bool {
        self.partition == other.partition && self.topic == other.topic
    }

    /// A plain function begins or ends, on its own thread.
    pub(super) fn plain_begins(&self, offset: i64) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).insert(offset);
    }

    pub(super) fn plain_ended(&self, offset: i64) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).remove(&offset);
    }

    /// The records whose plain functions run now, in order.
    pub(super) fn plain_running(&self) -> Vec<i64> {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// The record that the task works at, or worked at when it died.
    pub(super) fn working_at(&self) -> Option<i64> {
        Some(self.begun.load(Relaxed)).filter(|offset| *offset != NOTHING)
    }

    /// The record that the lane is at: the one whose handler was just begun, else the oldest unfinished one.
    pub(super) fn at_work(&self) -> Option<i64> {
        let offsets = [self.begun.load(Relaxed), self.oldest.load(SeqCst)];
        offsets.into_iter().find(|offset| *offset != NOTHING)
    }

    /// The longest of the calls that take long, and since when it runs.
    pub(super) fn slow(&self) -> Option<(i64, Instant)> {
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_slow(&self, slow: Option<(i64, Instant)>) {
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner) = slow;
    }

    /// What the drain waits for.
    pub(super) fn note_unfinished(&self, unfinished: Option<Unfinished>) {
        *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner) = unfinished;
    }

    /// What a lane that is cut off leaves unfinished. A handler that blocks its thread notes nothing: its call still runs.
    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        let begun = self.begun.load(Relaxed);
        if begun != NOTHING {
            return Some(Unfinished { offset: begun, why: WhyUnfinished::Call, others: 0 });
        }
        let noted = *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        noted.or_else(|| Some(Unfinished { offset: self.at_work()?, why: WhyUnfinished::Call, others: 0 }))
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// A call is about to begin or to go on, and may have the task's thread for long.
    pub(super) fn note_finished(&self, prefix: Option<i64>) {
        if let Some(prefix) = prefix {
            self.finished.store(prefix, Release);
        }
    }

    /// Stores the next offset, unless that was done or there is a later one.
    pub(super) fn store(&self, next: i64, store: impl FnOnce() -> Result<(), Stale>) -> Result<(), Stale> {
        let mut last = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        if *last >= next {
            return Ok(());
        }
        *last = next;
        store()
    }

    /// What finished while the task has not come to store it.
    pub(super) fn store_late(&self, store: impl FnOnce(i64) -> Result<(), Stale>) {
        let next = self.finished.load(Acquire);
        if next > self.stored.load(SeqCst) && self.store(next, || store(next)).is_ok() {
            self.stored.fetch_max(next, SeqCst);
        }
    }

    /// Whether a turn of the task goes on.
    pub(super) fn is_in_turn(&self) -> bool {
        self.turns() % 2 == 1
    }

    pub(super) fn note(&self, stored: Option<i64>, oldest: Option<i64>) {
        self.stored.store(stored.unwrap_or(NOTHING), SeqCst);
        self.oldest.store(oldest.unwrap_or(NOTHING), SeqCst);
    }

    pub(super) fn take_settled(&self) -> Vec<Settled> {
        self.inbox.take()
    }

    /// Somebody wrote; whoever reads it must count as busy before.
    pub(super) fn has_settled(&self) -> bool {
        self.inbox.has_settled()
    }

    pub(super) fn settle(&self, settled: Settled) -> Result<(), Stale> {
        let (offset, attempt, durable) = (settled.offset, settled.attempt, settled.durable);
        let observed = self.observer.as_ref().map(|observer| (observer, settled.verdict.clone()));
        let result = self.post(settled);
        if let Some((observer, verdict)) = observed {
            let (lane, verdict, accepted) = (self.epoch, &verdict, result.is_ok());
            observer.manually_settled(&ManuallySettled { lane, offset, attempt, verdict, accepted, durable });
        }
        match result {
            Ok(()) => self.waker.wake(),
            Err(Stale) => super::metrics::stale_ack(),
        }
        result
    }

    fn post(&self, settled: Settled) -> Result<(), Stale> {
        let Err(settled) = self.inbox.post(settled) else { return Ok(()) };
        #[cfg(feature = "planted-bugs")]
        if super::planted::settles_in_newest(self.epoch, settled) {
            return Ok(());
        }
        #[cfg(not(feature = "planted-bugs"))]
        drop(settled);
        Err(Stale)
    }

    /// An ack of another lane; false if this one is fenced.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn deliver(&self, settled: Settled) -> bool {
        let is_in = self.inbox.post(settled).is_ok();
        self.waker.wake();
        is_in
    }
}

impl std::fmt::Debug for LaneControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneControl").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
