//! Held records: by their policy, or by the dead-letter guard.

use std::time::Duration;

use super::LaneTask;
use super::ack_policy::WhileHeld;
use super::entry::{CallFailure, CallState};
use super::timers::TimerKind;
use crate::result::Disposition;

/// A held record is retried after this time. One that cannot be decoded is retried only at a new assignment.
const HELD: Duration = Duration::from_secs(30);

impl LaneTask {
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
