//! Records with an explicit `Ack` (`ack = Manual`), settled before their call ends, after it, or never.

use std::task::Context as TaskContext;

use super::LaneTask;
use super::ack_policy::Ended;
use super::copies::{Copies, Purpose};
use super::entry::CallState;
use crate::context::Settled;
use crate::result::Verdict;
use crate::runtime::status::Notice;

/// What happened to a record's `Ack` before its turn to count.
#[derive(Debug)]
pub(super) enum ManualSettlement {
    Settled(Verdict),
    /// Dropped unsettled: a nack, unless the call itself returns more.
    Dropped,
}

impl LaneTask {
    pub(super) fn take_settled(&mut self) -> bool {
        if self.scope.control.has_settled() {
            self.activity.busy.set(true);
        }
        let inbox = self.scope.control.take_settled();
        let any = !inbox.is_empty();
        for settled in inbox {
            self.settled(settled);
        }
        any
    }

    /// Handles a settled `Ack`: while its handler still runs, or after.
    pub(super) fn settled(&mut self, settled: Settled) {
        let Settled { offset, attempt, verdict, dropped, durable } = settled;
        // Finished before, by another attempt: no later store will request this commit.
        if durable && self.store.wait_for(offset) {
            self.scope.shared.notify(Notice::WantsCommit);
        }
        let Some(entry) = self.in_flight.get_mut(offset) else { return };
        let success = matches!(verdict, Verdict::Ack | Verdict::Skip);
        // Of an earlier attempt, which failed otherwise: only success matters.
        if entry.attempt != attempt && !success {
            return;
        }
        let manual_ack = if dropped { ManualSettlement::Dropped } else { ManualSettlement::Settled(verdict) };
        match (entry.state(), entry.copies.as_ref().map(Copies::purpose)) {
            (CallState::Running, _) => {
                // Success counts from here on, whatever happens to the call: it may wait until this is committed.
                // Results that may follow come first, unless it does.
                if success && (durable || self.scope.handler.publishes.is_empty()) {
                    self.offsets.finish(offset);
                }
                entry.note_manual_ack(manual_ack);
            }
            // Its results come first: the `Ack` counts with their confirmation.
            (_, Some(Purpose::Results)) => entry.note_manual_ack(manual_ack),
            _ if entry.copies.as_ref().is_some_and(Copies::is_open) => {}
            // The record is already given up on.
            (CallState::Stopped, _) | (_, Some(Purpose::Retry | Purpose::DeadLetter)) if !success => {}
            _ => {
                self.wait_no_more(offset);
                // No waker: whatever this begins is polled at the task's next turn, which follows at once.
                let mut cx = TaskContext::from_waker(std::task::Waker::noop());
                self.in_flight.entry_mut(offset).manual_ack = Some(manual_ack);
                self.conclude(offset, Ended::Decided(Verdict::Ack), &mut cx);
            }
        }
    }
}
