//! Records that are settled by hand (`ack = Manual`): before their call ends, after it, or never.

use std::task::Context as TaskContext;

use super::LaneTask;
use super::output::{Copies, Purpose};
use super::report::Fate;
use super::slots::{Failure, State};
use crate::publish::Outgoing;
use crate::runtime::settled::Settled;
use crate::runtime::status::News;
use crate::verdict::Verdict;

/// What became of a record's `Ack` before its turn to count.
#[derive(Debug)]
pub(super) enum ByHand {
    Settled(Verdict),
    /// Unsettled: a nack, unless the call itself says more.
    Dropped,
}

impl LaneTask {
    /// The `Ack` decides; if it was not settled, any verdict but `Ack` that the call returned.
    pub(super) fn returned_by_hand(&mut self, offset: i64, verdict: Verdict, cx: &mut TaskContext<'_>) {
        let by_hand = self.slots.get_mut(offset).and_then(|slot| slot.by_hand.take());
        match (by_hand, verdict) {
            (Some(ByHand::Settled(settled)), _) => self.decided(offset, settled, cx),
            (Some(ByHand::Dropped), Verdict::Ack) => self.dropped(offset, cx),
            (None, Verdict::Ack) => self.await_ack(offset),
            (_, returned) => self.decided(offset, returned, cx),
        }
    }

    /// The call returned what is to be published; of an attempt that failed by its `Ack`, nothing is.
    pub(super) fn returned_results(&mut self, offset: i64, copies: Vec<Outgoing>, cx: &mut TaskContext<'_>) {
        let by_hand = self.slots.get(offset).and_then(|slot| slot.by_hand.as_ref());
        if matches!(by_hand, None | Some(ByHand::Settled(Verdict::Ack | Verdict::Skip))) {
            self.publish(offset, copies, Purpose::Results, cx);
        } else {
            self.returned_by_hand(offset, Verdict::Ack, cx);
        }
    }

    /// Nobody settled it, and nobody can any more.
    fn dropped(&mut self, offset: i64, cx: &mut TaskContext<'_>) {
        let failure = Failure { kind: "nack", message: "its `Ack` was dropped unsettled".into() };
        self.failed(offset, failure, None, cx);
    }

    /// Nothing more comes of the call, and its `Ack` is out.
    fn await_ack(&mut self, offset: i64) {
        // Order ends where the handler ends: the next one may start.
        self.slots.set(offset, State::Acking);
        self.wait_for_ack(offset);
    }

    pub(super) fn take_mail(&mut self) -> bool {
        if self.control.has_mail() {
            self.vote.set(true);
        }
        let mail = self.control.take_mail();
        let any = !mail.is_empty();
        for settled in mail {
            self.settled(settled);
        }
        any
    }

    /// An `Ack` was settled: while its handler still runs, or after.
    pub(super) fn settled(&mut self, settled: Settled) {
        let Settled { offset, attempt, verdict, dropped, durable } = settled;
        if durable && self.stored.is_some_and(|stored| stored > offset) {
            // Finished before, by another attempt: no store will come that asks for it.
            self.shared.tell(News::WantsCommit);
        } else if durable {
            self.durable = self.durable.max(Some(offset));
        }
        let Some(slot) = self.slots.get_mut(offset) else { return };
        let success = matches!(verdict, Verdict::Ack | Verdict::Skip);
        // Of an earlier attempt, which failed otherwise: only success is news.
        if slot.attempt != attempt && !success {
            return;
        }
        let by_hand = if dropped { ByHand::Dropped } else { ByHand::Settled(verdict.clone()) };
        match (slot.state(), slot.copies.as_ref().map(Copies::purpose)) {
            (State::Running, _) => {
                // Success counts from here on, whatever becomes of the call: it may wait until this is durable. Results
                // that may follow come first, unless it does.
                if success && (durable || self.subscriber.publishes.is_empty()) {
                    self.offsets.finish(offset);
                }
                slot.note_by_hand(by_hand);
            }
            // Its results come first: counted with their confirmation.
            (_, Some(Purpose::Results)) => slot.note_by_hand(by_hand),
            _ if slot.copies.as_ref().is_some_and(Copies::is_open) => {}
            // It is given up already.
            (State::Stopped, _) | (_, Some(Purpose::Retry | Purpose::DeadLetter)) if !success => {}
            _ => {
                self.wait_no_more(offset);
                // No waker: what this begins is polled at the task's next turn, which follows at once.
                let mut cx = TaskContext::from_waker(std::task::Waker::noop());
                if dropped { self.dropped(offset, &mut cx) } else { self.decided(offset, verdict, &mut cx) }
            }
        }
    }

    /// Whether the record was settled by hand with success although its call failed: then that counts.
    pub(super) fn succeeded_by_hand(&mut self, offset: i64, failure: &Failure) -> bool {
        let Some(slot) = self.slots.get_mut(offset) else { return false };
        let attempt = slot.attempt;
        let fate = match slot.by_hand.take() {
            Some(ByHand::Settled(Verdict::Ack)) => Fate::Acked,
            Some(ByHand::Settled(Verdict::Skip)) => Fate::Skipped,
            _ => return false,
        };
        self.warn_failed(offset, attempt, failure, "failed after it was settled by hand, which counts");
        self.finish(offset, fate);
        true
    }
}
