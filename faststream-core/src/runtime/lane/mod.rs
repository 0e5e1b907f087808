//! One lane's task: takes records, starts handlers, stores the finished prefix.
//!
//! A hand-written `poll` instead of `select!`: its order is the order of the lines below, a wake-up costs one pass, and
//! a handler that never waits never touches a set, a map or a channel.

mod ack_policy;
mod apply;
mod calls;
mod dead_letter;
mod guard;
mod hold;
mod in_flight;
mod intake;
mod keys;
mod manual_ack;
mod output;
mod report;
mod retry_topic;
mod timers;
mod turns;
mod unconfirmed;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use self::calls::{RunningCall, drop_call};
use self::guard::Guard;
use self::in_flight::{CallState, InFlight};
use self::output::Output;
use self::retry_topic::{Due, Waits};
use self::timers::Timers;
use self::turns::OrderLine;
use self::unconfirmed::Unconfirmed;
use super::idle::BusyGuard;
use super::metrics::LaneMetrics;
use super::offsets::Offsets;
use super::status::{Notice, Shared};
use super::{LaneControl, PlainCall};
use crate::app::Context;
use crate::broker::Lane;
use crate::policy::{Commit, GroupSettings, Order};
use crate::subscriber::{RetryTopic, Subscriber};

/// Records per turn; then the task yields, so that immediate handlers starve nobody.
const BATCH: usize = 256;

pub(super) struct LaneTask {
    lane: Box<dyn Lane>,
    topic: Arc<str>,
    subscriber: Arc<Subscriber>,
    /// Which retry topic this is a partition of; `None` is a source's.
    retry_topic: Option<RetryTopic>,
    context: Arc<Context>,
    settings: Arc<GroupSettings>,
    control: Arc<LaneControl>,
    shared: Arc<Shared>,
    /// For tests that wait until all has settled.
    busy: BusyGuard,
    offsets: Offsets,
    /// The current batch: how many were taken, how many of them handed out, whether it was copied.
    filled: usize,
    cursor: usize,
    detached: bool,
    /// Kept records of the current batch, which are not copied yet.
    fresh: Vec<i64>,
    /// Whether the record at the cursor is due, in a retry topic.
    due: Due,
    waits: Waits,
    /// One past the last record handed out.
    next: i64,
    /// Only records that did not finish at once.
    in_flight: InFlight,
    /// Kept records whose turn has come.
    ready: VecDeque<i64>,
    /// Those whose turn came beyond the brake.
    braked: BTreeSet<i64>,
    running: FuturesUnordered<RunningCall>,
    output: Output,
    unconfirmed: Unconfirmed,
    /// When the current turn began, once somebody has asked.
    turn: Option<Instant>,
    timers: Timers,
    guard: Guard,
    metrics: LaneMetrics,
    /// When the last call of this turn returned; read only for handlers with a `timeout`.
    returned: Option<Instant>,
    /// It stops, and what had not begun was given back.
    gave_back: bool,
    stored: Option<i64>,
    asked_commit: bool,
    /// The last record that somebody waits for to be durable, until its commit was asked for.
    durable: Option<i64>,
    activity: Activity,
}

/// Whether the lane goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Moves,
    /// Its next record is not due: in a retry topic.
    UntilDue,
    /// What it keeps forbids the next one, and nothing will happen without help from outside.
    Blocked,
}

impl LaneTask {
    pub(super) fn new(
        lane: Box<dyn Lane>,
        subscriber: Arc<Subscriber>,
        context: Arc<Context>,
        settings: Arc<GroupSettings>,
        control: Arc<LaneControl>,
        shared: Arc<Shared>,
        busy: BusyGuard,
    ) -> Self {
        let task = Self {
            metrics: LaneMetrics::new(&context, &subscriber),
            retry_topic: subscriber.retry_topic(lane.topic()).cloned(),
            guard: Guard::new(settings.dead_letter_guard),
            topic: lane.topic().into(),
            next: lane.start(),
            lane,
            subscriber,
            context,
            settings,
            control,
            shared,
            busy,
            offsets: Offsets::default(),
            filled: 0,
            cursor: 0,
            detached: false,
            fresh: Vec::new(),
            due: Due::Unknown,
            waits: Waits::default(),
            in_flight: InFlight::default(),
            ready: VecDeque::new(),
            braked: BTreeSet::new(),
            running: FuturesUnordered::new(),
            output: Output::default(),
            unconfirmed: Unconfirmed::default(),
            turn: None,
            timers: Timers::default(),
            returned: None,
            gave_back: false,
            stored: None,
            asked_commit: false,
            durable: None,
            activity: Activity::Moves,
        };
        task.warn_missed_skips(i64::MIN, task.next);
        task
    }

    /// Ready when drained. Everything that finished is stored before this returns, so a lane that is dropped (fence,
    /// crash) has nothing left to save.
    pub(super) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.control.register(cx.waker());
        self.control.turn();
        self.turn = None;
        let mut budget = BATCH;
        self.returned = None;
        loop {
            let mut moved = self.take_settled();
            moved |= self.take_answers(cx);
            self.control.note_finished(self.offsets.prefix());
            while let Poll::Ready(Some((offset, ended))) = self.running.poll_next_unpin(cx) {
                self.ended(offset, ended, cx);
                moved = true;
            }
            if self.control.is_stopping() {
                moved |= self.give_back();
                if self.in_flight.under_way() == 0 && self.output.is_empty() {
                    self.end();
                    self.control.turn();
                    return Poll::Ready(());
                }
                self.control.note_unfinished(self.in_flight.left());
            } else if !self.control.is_gated() && self.lane.may_begin() {
                moved |= self.wake_next(cx);
                moved |= self.fire_timers(cx);
                moved |= self.start_committed();
                moved |= self.start_ready(cx, &mut budget);
                moved |= self.intake(cx, &mut budget);
            }
            if budget == 0 {
                yield_now(cx);
                break;
            }
            if !moved {
                break;
            }
        }
        if !self.in_flight.is_empty() {
            self.detach();
        }
        self.store();
        self.metrics.flush();
        self.update_busy(budget == 0);
        self.control.turn();
        Poll::Pending
    }

    /// Held records and those behind them are not under way: nothing will happen to them. The rest of a batch is,
    /// unless the lane is jammed by what it holds, or waits for long (the broker takes it for unread then).
    fn update_busy(&mut self, yields: bool) {
        let moving = yields || !self.running.is_empty() || !self.ready.is_empty() || self.timers.is_moving();
        let moving = moving || !self.output.is_empty() || self.in_flight.committing > 0;
        let moving = moving || (!self.braked.is_empty() && self.control.is_dirty());
        let activity = if !moving && !self.in_flight.is_empty() && self.is_blocked() {
            Activity::Blocked
        } else if !moving && self.due.waits() {
            Activity::UntilDue
        } else {
            Activity::Moves
        };
        let before = std::mem::replace(&mut self.activity, activity);
        if (before == Activity::Moves) != (activity == Activity::Moves) {
            self.lane.set_held(activity != Activity::Moves);
        }
        if (before == Activity::Blocked) != (activity == Activity::Blocked) {
            self.shared.status().set_blocked(self.control.epoch, activity == Activity::Blocked);
        }
        self.busy.set(moving || (self.cursor < self.filled && activity == Activity::Moves));
    }

    /// When this turn began: no clock is read for each record.
    fn turn_began(&mut self) -> Instant {
        *self.turn.get_or_insert_with(Instant::now)
    }

    fn is_blocked(&self) -> bool {
        let full = self.is_full() || self.is_braked_for_good();
        full || (self.subscriber.order == Order::Partition && self.is_busy(OrderLine::Lane))
    }

    /// Calls of plain functions that wait for a thread have not begun: their records are handled again elsewhere. True
    /// if running calls are to be polled once more.
    fn give_back(&mut self) -> bool {
        let is_plain = |calls: &RunningCall| calls.call.as_plain().is_some();
        if std::mem::replace(&mut self.gave_back, true) || !self.running.iter().any(is_plain) {
            return false;
        }
        for mut calls in std::mem::take(&mut self.running) {
            if calls.call.as_plain().is_some_and(PlainCall::abandon) {
                // Without its slot, whatever its `Ack` says when it is dropped is of no matter.
                self.in_flight.remove(calls.offset);
                drop_call(&mut calls.call);
            } else {
                self.running.push(calls);
            }
        }
        true
    }

    /// Closed and emptied in one step under the mail's lock: an ack is either in or `Stale`.
    fn end(&mut self) {
        for settled in self.control.fence() {
            self.settled(settled);
        }
        self.store();
    }

    /// Once per turn, and only if the prefix moved.
    fn store(&mut self) {
        let prefix = self.offsets.prefix();
        #[cfg(feature = "planted-bugs")]
        let prefix = crate::runtime::planted::prefix(prefix, self.next);
        if let Some(next) = prefix
            && self.stored != prefix
        {
            self.stored = prefix;
            let wanted = self.subscriber.commit == Commit::Each || self.durable.is_some();
            // Stale: the lane is over, which its end will tell.
            let lane = &mut self.lane;
            if self.control.store(next, || lane.store(next)).is_ok() && wanted {
                self.shared.notify(Notice::WantsCommit);
            }
            self.durable = self.durable.filter(|offset| *offset >= next);
        }
        self.control.note(self.stored, self.offsets.oldest());
    }

    /// Calls that waited for the commit of their own record.
    fn start_committed(&mut self) -> bool {
        if self.in_flight.committing == 0 {
            return false;
        }
        let committed = self.control.committed_offset();
        let durable = self
            .in_flight
            .iter()
            .filter(|(offset, entry)| entry.state() == CallState::Committing && *offset < committed);
        let durable: Vec<i64> = durable.map(|(offset, _)| offset).collect();
        for offset in &durable {
            self.in_flight.set(*offset, CallState::Waiting);
            self.ready.push_back(*offset);
        }
        !durable.is_empty()
    }
}

/// Comes again after all other tasks. Unlike a plain wake-up it calls no idle worker to help: with one busy lane there is
/// nothing to take over, and the call costs more than the turn it ends.
fn yield_now(cx: &mut TaskContext<'_>) {
    let yielding = std::pin::pin!(tokio::task::yield_now());
    let pending = yielding.poll(cx).is_pending();
    debug_assert!(pending, "the first poll only notes the waker");
}

impl Drop for LaneTask {
    fn drop(&mut self) {
        self.control.fence();
        let mut status = self.shared.status();
        status.held.retain(|(epoch, _), _| *epoch != self.control.epoch);
        status.unconfirmed.remove(&self.control.epoch);
        status.set_blocked(self.control.epoch, false);
    }
}
