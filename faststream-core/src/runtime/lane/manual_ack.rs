//! Records that are settled by hand (`ack = Manual`): before their call ends, after it, or never.

use std::task::Context as TaskContext;

use super::LaneTask;
use super::in_flight::{CallFailure, CallState};
use super::output::{Copies, Purpose};
use super::report::Disposition;
use crate::publish::Outgoing;
use crate::runtime::settled::Settled;
use crate::runtime::status::Notice;
use crate::verdict::Verdict;

/// What became of a record's `Ack` before its turn to count.
#[derive(Debug)]
pub(super) enum ManualSettlement {
    Settled(Verdict),
    /// Unsettled: a nack, unless the call itself says more.
    Dropped,
}

impl LaneTask {
    /// The `Ack` decides; if it was not settled, any verdict but `Ack` that the call returned.
    pub(super) fn returned_manual(&mut self, offset: i64, verdict: Verdict, cx: &mut TaskContext<'_>) {
        let manual_ack = self.in_flight.get_mut(offset).and_then(|entry| entry.manual_ack.take());
        match (manual_ack, verdict) {
            (Some(ManualSettlement::Settled(settled)), _) => self.decided(offset, settled, cx),
            (Some(ManualSettlement::Dropped), Verdict::Ack) => self.dropped(offset, cx),
            (None, Verdict::Ack) => self.await_ack(offset),
            (_, returned) => self.decided(offset, returned, cx),
        }
    }

    /// The call returned what is to be published; of an attempt that failed by its `Ack`, nothing is.
    pub(super) fn returned_results(&mut self, offset: i64, copies: Vec<Outgoing>, cx: &mut TaskContext<'_>) {
        let manual_ack = self.in_flight.get(offset).and_then(|entry| entry.manual_ack.as_ref());
        if matches!(manual_ack, None | Some(ManualSettlement::Settled(Verdict::Ack | Verdict::Skip))) {
            self.publish(offset, copies, Purpose::Results, cx);
        } else {
            self.returned_manual(offset, Verdict::Ack, cx);
        }
    }

    /// Nobody settled it, and nobody can any more.
    fn dropped(&mut self, offset: i64, cx: &mut TaskContext<'_>) {
        let failure = CallFailure { kind: "nack", message: "its `Ack` was dropped unsettled".into() };
        self.failed(offset, failure, None, cx);
    }

    /// Nothing more comes of the call, and its `Ack` is out.
    fn await_ack(&mut self, offset: i64) {
        // Order ends where the handler ends: the next one may start.
        self.in_flight.set(offset, CallState::Acking);
        self.wait_for_ack(offset);
    }

    pub(super) fn take_settled(&mut self) -> bool {
        if self.control.has_settled() {
            self.busy.set(true);
        }
        let inbox = self.control.take_settled();
        let any = !inbox.is_empty();
        for settled in inbox {
            self.settled(settled);
        }
        any
    }

    /// An `Ack` was settled: while its handler still runs, or after.
    pub(super) fn settled(&mut self, settled: Settled) {
        let Settled { offset, attempt, verdict, dropped, durable } = settled;
        if durable && self.stored.is_some_and(|stored| stored > offset) {
            // Finished before, by another attempt: no store will come that asks for it.
            self.shared.notify(Notice::WantsCommit);
        } else if durable {
            self.durable = self.durable.max(Some(offset));
        }
        let Some(entry) = self.in_flight.get_mut(offset) else { return };
        let success = matches!(verdict, Verdict::Ack | Verdict::Skip);
        // Of an earlier attempt, which failed otherwise: only success is news.
        if entry.attempt != attempt && !success {
            return;
        }
        let manual_ack =
            if dropped { ManualSettlement::Dropped } else { ManualSettlement::Settled(verdict.clone()) };
        match (entry.state(), entry.copies.as_ref().map(Copies::purpose)) {
            (CallState::Running, _) => {
                // Success counts from here on, whatever becomes of the call: it may wait until this is durable. Results
                // that may follow come first, unless it does.
                if success && (durable || self.subscriber.publishes.is_empty()) {
                    self.offsets.finish(offset);
                }
                entry.note_manual_ack(manual_ack);
            }
            // Its results come first: counted with their confirmation.
            (_, Some(Purpose::Results)) => entry.note_manual_ack(manual_ack),
            _ if entry.copies.as_ref().is_some_and(Copies::is_open) => {}
            // It is given up already.
            (CallState::Stopped, _) | (_, Some(Purpose::Retry | Purpose::DeadLetter)) if !success => {}
            _ => {
                self.wait_no_more(offset);
                // No waker: what this begins is polled at the task's next turn, which follows at once.
                let mut cx = TaskContext::from_waker(std::task::Waker::noop());
                if dropped { self.dropped(offset, &mut cx) } else { self.decided(offset, verdict, &mut cx) }
            }
        }
    }

    /// Whether the record was settled by hand with success although its call failed: then that counts.
    pub(super) fn succeeded_manually(&mut self, offset: i64, failure: &CallFailure) -> bool {
        let Some(entry) = self.in_flight.get_mut(offset) else { return false };
        let attempt = entry.attempt;
        let disposition = match entry.manual_ack.take() {
            Some(ManualSettlement::Settled(Verdict::Ack)) => Disposition::Acked,
            Some(ManualSettlement::Settled(Verdict::Skip)) => Disposition::Skipped,
            _ => return false,
        };
        self.warn_failed(offset, attempt, failure, "failed after it was settled by hand, which counts");
        self.finish(offset, disposition);
        true
    }
}
