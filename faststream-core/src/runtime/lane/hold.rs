//! Held records: by their policy, or by the dead-letter guard.

use std::time::Duration;

use super::LaneTask;
use super::ack_policy::WhileHeld;
use super::entry::{CallFailure, CallState, Guarded};
use super::guard::Reason;
use super::timers::TimerKind;
use crate::result::Disposition;

/// A held record is retried after this time. One that cannot be decoded is retried only at a new assignment.
const HELD: Duration = Duration::from_secs(30);

impl LaneTask {
    /// Returns whether the dead-letter guard holds the record, and why. Otherwise it has counted the record, once.
    pub(super) fn guard_refuses(&mut self, offset: i64, failure: &CallFailure) -> Option<String> {
        let is_oldest = self.offsets.oldest() == Some(offset);
        let entry = self.in_flight.entry_mut(offset);
        if entry.guard == Guarded::Counted {
            return None;
        }
        let reason = Reason::of(failure);
        // Of several held records, one is the probe.
        let probes = match entry.guard {
            Guarded::KeptBack(probes) => probes + u32::from(is_oldest),
            _ => 0,
        };
        let is_probe = matches!(entry.guard, Guarded::KeptBack(_)) && is_oldest;
        let is_given_up = is_probe && self.guard.gives_up_probe(&reason, probes);
        let refused = if is_given_up { None } else { self.guard.refuses() };
        entry.guard = if refused.is_some() { Guarded::KeptBack(probes) } else { Guarded::Counted };
        if refused.is_none() {
            self.guard.dead_lettered(reason);
        }
        refused
    }

    /// Holds the record, by its policy or because of the dead-letter `guard`.
    pub(super) fn hold(&mut self, offset: i64, failure: &CallFailure, held: WhileHeld, guard: Option<&str>) {
        let entry = self.in_flight.entry_mut(offset);
        let attempt = entry.attempt;
        let first =
            entry.failure.is_none() || entry.attempts_here() <= self.scope.handler.retry.max_attempts();
        entry.attempt += 1;
        entry.failure = Some(failure.clone());
        self.in_flight.set(offset, CallState::Held);
        self.report_held(offset, attempt, failure, guard, first);
        self.report_disposition(offset, Disposition::Held);
        if held == WhileHeld::Retry {
            self.wait(offset, HELD, TimerKind::Held);
        }
    }
}
