//! Controls a running lane from other threads: stop it, fence it, report commits to it, settle its records.
//!
//! One `LaneControl` for each lane, shared by pointer: the lane's task checks it at each turn, the member's
//! control thread stops and fences it, and every `Ack` that a handler keeps settles through it. Nothing here waits
//! for the task. A record without a manual ack costs a few atomic loads here.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::ack_inbox::{AckInbox, Settled, Waiters};
use super::offset_cell::OffsetCell;
use super::work::Work;
use super::{BusyGuard, ManuallySettled, Observers, Unfinished, WhyUnfinished};
use crate::TopicPartition;
use crate::broker::{Epoch, Stale};

/// The control of one lane, shared by pointer. An `Ack` holds the pointer, so it cannot reach another assignment of the
/// partition: staleness is identity, and no number is compared.
pub struct LaneControl {
    /// The number of the assignment.
    pub(crate) epoch: Epoch,
    /// The partition, once `of` has set it.
    tp: TopicPartition,
    /// The record at which earlier tasks of the partition died, and how many died. Set once, when the lane starts.
    deaths: Option<(i64, u32)>,
    /// Whether the lane has to stop.
    stop: Stop,
    /// The first offset that is stored is committed at once.
    commits_first: AtomicBool,
    /// Whether commits fail, so that at most `max_uncommitted` records are delivered beyond the last successful
    /// commit.
    braked: AtomicBool,
    /// Whether `on_assigned` still runs: no record begins before it has ended.
    gated: AtomicBool,
    /// The finished, stored and committed offsets of the lane.
    pub(crate) offsets: OffsetCell,
    /// The current work of the lane's task.
    pub(crate) work: Work,
    /// The `Ack`s that were settled, until the task reads them. Its fence is the lane's fence.
    inbox: AckInbox,
    waker: AtomicWaker,
    /// The calls that wait until their record is committed (`ack_durable`).
    waiters: Waiters,
    /// The observers, which are notified of settled `Ack`s.
    observers: Observers,
}

/// The request to stop: the partition is revoked, or the app is shutting down.
#[derive(Debug, Default)]
struct Stop {
    /// What handlers see as `Cancellation`.
    token: CancellationToken,
    /// Why no record may begin: [`STOPS`], [`PAUSED`]. Cheap enough to check for each record, while a token takes a lock.
    reasons: AtomicU8,
}

/// The lane is to stop.
const STOPS: u8 = 1;
/// The app has paused the partition.
const PAUSED: u8 = 2;

impl Stop {
    /// Requests the stop. The flag first, so that a woken task sees it.
    fn set(&self) {
        self.reasons.fetch_or(STOPS, SeqCst);
        self.token.cancel();
    }
}

impl LaneControl {
    /// Returns the control of a lane that begins at the next offset `start`.
    pub(crate) fn new(epoch: Epoch, start: i64) -> Self {
        Self {
            epoch,
            tp: TopicPartition::new("", 0),
            deaths: None,
            stop: Stop::default(),
            commits_first: AtomicBool::new(false),
            braked: AtomicBool::new(false),
            gated: AtomicBool::new(false),
            offsets: OffsetCell::new(start),
            work: Work::default(),
            inbox: AckInbox::default(),
            waker: AtomicWaker::new(),
            waiters: Waiters::default(),
            observers: Observers::default(),
        }
    }

    /// Reports settled `Ack`s to these observers.
    pub(crate) fn observed(mut self, observers: Observers) -> Self {
        self.observers = observers;
        self
    }

    /// Sets the partition.
    pub(crate) fn of(mut self, tp: TopicPartition) -> Self {
        self.tp = tp;
        self
    }

    /// Sets how many earlier tasks of the partition died at which record.
    pub(crate) fn after_deaths(mut self, deaths: Option<(i64, u32)>) -> Self {
        self.deaths = deaths;
        self
    }

    /// Returns how many earlier tasks of the partition died at this record.
    pub(crate) fn deaths_at(&self, offset: i64) -> Option<u32> {
        self.deaths.filter(|(at, _)| *at == offset).map(|(_, times)| times)
    }

    /// Counts settled `Ack`s as work in progress until the task has read them.
    pub(crate) fn counted_busy_by(self, busy: BusyGuard) -> Self {
        self.inbox.counted_busy_by(busy);
        self
    }

    /// Stops the lane: no further record begins, and running calls are notified. Their results still count until
    /// the fence.
    pub(crate) fn stop(&self) {
        self.stop.set();
        self.waker.wake();
    }

    /// Records that the broker has committed everything before `next`: releases the brake, and wakes the calls
    /// that wait for it.
    pub(crate) fn committed(&self, next: i64) {
        self.offsets.committed(next);
        self.braked.store(false, SeqCst);
        self.waker.wake();
        self.waiters.notify();
    }

    /// Lets no record begin until `open_gate` is called.
    pub(crate) fn close_gate(&self) {
        self.gated.store(true, SeqCst);
    }

    /// Lets records begin: `on_assigned` has ended, or its time is over.
    pub(crate) fn open_gate(&self) {
        self.gated.store(false, SeqCst);
        self.waker.wake();
    }

    /// Returns whether no record may begin yet.
    pub(crate) fn is_gated(&self) -> bool {
        self.gated.load(SeqCst)
    }

    /// Begins or ends a pause of the app: no call begins while it lasts. Calls that run go on.
    pub(crate) fn set_paused(&self, is_paused: bool) {
        if is_paused {
            self.stop.reasons.fetch_or(PAUSED, SeqCst);
        } else {
            self.stop.reasons.fetch_and(!PAUSED, SeqCst);
            // Whoever waits until everything has settled must not see it idle before its task has looked.
            self.inbox.keep_busy();
        }
        self.waker.wake();
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.stop.reasons.load(SeqCst) & PAUSED != 0
    }

    /// Returns whether neither a stop nor a pause of the app forbids that another call begins.
    pub(crate) fn may_begin(&self) -> bool {
        self.stop.reasons.load(SeqCst) == 0
    }

    /// Commits the first offset that the lane stores at once, not by the timer.
    pub(crate) fn commit_first(&self) {
        self.commits_first.store(true, SeqCst);
    }

    /// Returns whether the offset that was just stored is to be committed at once, as the first one.
    pub(crate) fn takes_first_commit(&self) -> bool {
        self.commits_first.load(SeqCst) && self.commits_first.swap(false, SeqCst)
    }
    /// Brakes the lane until its next successful commit. Does not wake it: a brake never makes anything due.
    pub(crate) fn brake(&self) {
        self.braked.store(true, SeqCst);
    }

    /// Fences the lane: from now on, settling returns `Stale`. Returns the `Ack`s that were settled before, so that an
    /// ack that returned `Ok` still counts.
    pub(crate) fn fence(&self) -> Vec<Settled> {
        self.stop.set();
        let settled = self.inbox.fence();
        self.waiters.notify();
        settled
    }

    /// Waits until the broker has committed everything up to this record. Without a limit: a commit that fails for
    /// long keeps it waiting, until the lane is fenced.
    ///
    /// # Errors
    /// [`Stale`] if the lane was fenced before. The record may be handled again then, or its commit was not
    /// confirmed in time.
    pub(crate) async fn durable(&self, offset: i64) -> Result<(), Stale> {
        let _waits = self.waiters.wait(offset);
        self.waker.wake();
        loop {
            let moved = self.waiters.notified();
            tokio::pin!(moved);
            // Registered before the check, or a change in between would be missed.
            moved.as_mut().enable();
            if self.offsets.committed_offset() > offset {
                return Ok(());
            }
            if self.inbox.is_fenced() {
                return Err(Stale);
            }
            moved.await;
        }
    }

    /// Returns whether a call waits until one of these records is committed. Then the oldest record may start
    /// beyond `concurrency`, because that commit waits for it.
    pub(crate) fn any_waits_until_durable(&self, of: impl Fn(i64) -> bool) -> bool {
        self.waiters.any(of)
    }

    /// Sets the waker of the lane's task. Call it before the checks of a turn.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Returns the token that is cancelled when the partition is revoked or the app shuts down.
    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.stop.token
    }

    /// Returns whether no further record may begin. One atomic load, checked for each record.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.reasons.load(SeqCst) & STOPS != 0
    }

    /// Returns whether commits fail. One atomic load.
    pub(crate) fn is_braked(&self) -> bool {
        self.braked.load(SeqCst)
    }

    /// Returns whether the other one is another assignment of the same partition.
    pub(crate) fn is_of_partition_of(&self, other: &Self) -> bool {
        self.tp == other.tp
    }

    /// Returns the lane's current record: the one whose handler was just begun, else the oldest unfinished one.
    pub(crate) fn at_work(&self) -> Option<i64> {
        self.work.working_at().or_else(|| self.offsets.oldest())
    }

    /// Returns what a cancelled lane leaves unfinished. A handler that blocks its thread notes nothing, because its
    /// call still runs.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        let call = |offset| Unfinished { offset, why: WhyUnfinished::Call, others: 0 };
        let noted = || self.work.unfinished();
        self.work.working_at().map(call).or_else(noted).or_else(|| self.at_work().map(call))
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Takes the `Ack`s that were settled since the last call. Without any, one atomic load.
    pub(crate) fn take_settled(&self) -> Vec<Settled> {
        self.inbox.take()
    }

    /// Returns whether an `Ack` was settled. The reader must count as busy before it checks.
    pub(crate) fn has_settled(&self) -> bool {
        self.inbox.has_settled()
    }

    /// Settles a record: puts the verdict into the inbox and wakes the task. Any thread may call it, and it never
    /// waits for the task. The observers learn of it either way.
    ///
    /// # Errors
    /// [`Stale`] if the lane was fenced before: the verdict has no effect, and the record is handled again by the
    /// partition's next owner.
    pub(crate) fn settle(&self, settled: Settled) -> Result<(), Stale> {
        let (offset, attempt, durable) = (settled.offset, settled.attempt, settled.durable);
        let observed = (!self.observers.is_empty()).then(|| settled.verdict.clone());
        let result = self.inbox.post(settled);
        if let Some(verdict) = &observed {
            let (lane, accepted) = (self.epoch, result.is_ok());
            let report = ManuallySettled { lane, offset, attempt, verdict, accepted, durable };
            self.observers.notify(|observer| observer.manually_settled(&report));
        }
        match result {
            Ok(()) => self.waker.wake(),
            Err(Stale) => counter!("faststream_stale_acks_total").increment(1),
        }
        result
    }
}

impl std::fmt::Debug for LaneControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneControl").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
