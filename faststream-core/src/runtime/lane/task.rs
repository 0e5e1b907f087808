//! One lane's task: the order in which its parts run.
//!
//! A hand-written `poll` instead of `select!`: its order is the order of the lines below, a wake-up costs one pass, and
//! a handler that never waits never touches a set, a map or a channel.

use std::task::{Context as TaskContext, Poll};

use super::Scope;
use super::calls::Calls;
use super::entry::CallState;
use super::guard::Guard;
use super::in_flight::InFlight;
use super::inbox::{BATCH, Inbox};
use super::output::Output;
use super::ready::Ready;
use super::store::Store;
use super::timers::Timers;
use super::turns::OrderLine;
use crate::broker::Lane;
use crate::context::BusyGuard;
use crate::policy::{Commit, Order};
use crate::runtime::metrics::LaneMetrics;
use crate::runtime::offsets::Offsets;
use crate::runtime::status::Notice;

/// One lane's task.
pub(in crate::runtime) struct LaneTask {
    pub(super) scope: Scope,
    pub(super) inbox: Inbox,
    /// Which records are finished.
    pub(super) offsets: Offsets,
    pub(super) store: Store,
    /// Records that did not finish at once.
    pub(super) in_flight: InFlight,
    /// Those of them whose turn came.
    pub(super) ready: Ready,
    pub(super) calls: Calls,
    pub(super) output: Output,
    pub(super) timers: Timers,
    pub(super) guard: Guard,
    pub(super) metrics: LaneMetrics,
    pub(super) activity: Activity,
}

/// Whether the lane makes progress by itself.
pub(super) struct Activity {
    state: Moves,
    /// The busy guard, for tests that wait until everything has settled.
    pub(super) busy: BusyGuard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moves {
    Yes,
    /// The next record of a retry topic is not due.
    UntilDue,
    /// The app has paused the partition: no call runs, and none begins.
    Paused,
    /// The records that it keeps block the next one, and nothing will happen without help from outside.
    Blocked,
}

impl LaneTask {
    pub(in crate::runtime) fn new(lane: Box<dyn Lane>, scope: Scope, busy: BusyGuard) -> Self {
        let inbox = Inbox::new(lane);
        scope.warn_missed_skips(i64::MIN, inbox.next());
        Self {
            metrics: LaneMetrics::new(&scope.context, &scope.spec, &scope.handler),
            guard: Guard::new(scope.settings.dead_letter_guard),
            scope,
            inbox,
            offsets: Offsets::default(),
            store: Store::default(),
            in_flight: InFlight::default(),
            ready: Ready::default(),
            calls: Calls::default(),
            output: Output::default(),
            timers: Timers::default(),
            activity: Activity { state: Moves::Yes, busy },
        }
    }

    /// Returns ready when drained. Everything that finished is stored before this returns, so a dropped lane (fence,
    /// crash) has nothing left to save.
    pub(in crate::runtime) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.scope.control.register(cx.waker());
        self.scope.control.work.turn();
        self.timers.turn_begins();
        self.calls.turn_begins();
        let mut budget = BATCH;
        loop {
            let mut moved = self.take_settled();
            moved |= self.take_answers(cx);
            self.scope.control.offsets.note_finished(self.offsets.prefix());
            while let Poll::Ready(Some((offset, ended))) = self.calls.poll_next(cx) {
                self.ended(offset, ended, cx);
                moved = true;
            }
            if self.scope.control.is_stopping() {
                moved |= self.give_back();
                if self.in_flight.under_way() == 0 && self.output.is_empty() {
                    self.end();
                    self.scope.control.work.turn();
                    return Poll::Ready(());
                }
                self.scope.control.work.note_unfinished(self.in_flight.left());
            } else if !self.scope.control.is_gated() && self.inbox.may_begin() {
                moved |= self.wake_next(cx);
                moved |= self.fire_timers(cx);
                moved |= self.start_committed();
                if self.scope.control.may_begin() {
                    moved |= self.start_ready(cx, &mut budget);
                    moved |= self.intake(cx, &mut budget);
                }
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
        self.update_activity(budget == 0);
        self.scope.control.work.turn();
        Poll::Pending
    }

    /// Held records and the records after them do not count as work in progress, because nothing will happen to them.
    /// The rest of a batch counts, unless the lane is blocked by a held record, or waits for long (the broker then
    /// counts it as unread).
    fn update_activity(&mut self, yields: bool) {
        let is_paused = self.scope.control.is_paused();
        let begins = !self.ready.is_empty()
            || (self.ready.has_braked() && self.scope.control.offsets.is_dirty())
            || yields;
        let moving = !self.calls.is_empty() || (begins && !is_paused) || self.timers.is_moving(is_paused);
        let moving = moving || !self.output.is_empty() || self.in_flight.committing > 0;
        let state = if !moving && is_paused {
            Moves::Paused
        } else if !moving && !self.in_flight.is_empty() && self.is_blocked() {
            Moves::Blocked
        } else if !moving && self.inbox.due.waits() {
            Moves::UntilDue
        } else {
            Moves::Yes
        };
        let before = std::mem::replace(&mut self.activity.state, state);
        if (before == Moves::Yes) != (state == Moves::Yes) {
            self.inbox.set_held(state != Moves::Yes);
        }
        if (before == Moves::Blocked) != (state == Moves::Blocked) {
            self.scope.shared.status().set_blocked(self.scope.control.epoch, state == Moves::Blocked);
        }
        self.activity.busy.set(moving || (self.inbox.has_more() && state == Moves::Yes));
    }

    fn is_blocked(&self) -> bool {
        let full = self.is_full() || self.is_braked_for_good();
        full || (self.scope.spec.order == Order::Partition && self.is_busy(OrderLine::Lane))
    }

    /// Releases calls of plain functions that wait for a thread: they have not begun, and their records are handled
    /// again elsewhere. Returns true if running calls are to be polled once more.
    fn give_back(&mut self) -> bool {
        let in_flight = &mut self.in_flight;
        // Without its entry, the verdict of its dropped `Ack` does not matter.
        self.calls.give_back(|offset| drop(in_flight.remove(offset)))
    }

    /// Closes and empties the inbox in one step under its lock: an ack is either in or `Stale`.
    fn end(&mut self) {
        for settled in self.scope.control.fence() {
            self.settled(settled);
        }
        self.store();
    }

    /// Stores the prefix, once per turn and only if it moved.
    pub(super) fn store(&mut self) {
        let prefix = self.offsets.prefix();
        if let Some((next, is_waited_for)) = self.store.advance(prefix) {
            let wanted = self.scope.spec.commit == Commit::Each
                || is_waited_for
                || self.scope.control.takes_first_commit();
            // Stale: the lane has ended, which its end will report.
            let inbox = &mut self.inbox;
            if self.scope.control.offsets.store(next, || inbox.store(next)).is_ok() && wanted {
                self.scope.shared.notify(Notice::WantsCommit);
            }
        }
        self.scope.control.offsets.note(self.store.stored(), self.offsets.oldest());
    }

    /// Starts calls that waited for the commit of their own record.
    fn start_committed(&mut self) -> bool {
        if self.in_flight.committing == 0 {
            return false;
        }
        let committed = self.scope.control.offsets.committed_offset();
        let durable = self
            .in_flight
            .iter()
            .filter(|(offset, entry)| entry.state() == CallState::Committing && *offset < committed);
        let durable: Vec<i64> = durable.map(|(offset, _)| offset).collect();
        for offset in &durable {
            self.in_flight.set(*offset, CallState::Waiting);
            self.ready.push(*offset);
        }
        !durable.is_empty()
    }
}

/// Yields until all other tasks have run. Unlike a plain wake-up it wakes no idle worker: with one busy lane there is
/// nothing to take over, and waking a worker costs more than the turn that ends.
fn yield_now(cx: &mut TaskContext<'_>) {
    let yielding = std::pin::pin!(tokio::task::yield_now());
    let pending = yielding.poll(cx).is_pending();
    debug_assert!(pending, "the first poll only notes the waker");
}

impl Drop for LaneTask {
    fn drop(&mut self) {
        self.scope.control.fence();
        let mut status = self.scope.shared.status();
        status.held.retain(|(epoch, _), _| *epoch != self.scope.control.epoch);
        status.unconfirmed.remove(&self.scope.control.epoch);
        status.set_blocked(self.scope.control.epoch, false);
    }
}
