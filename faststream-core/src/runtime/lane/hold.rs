//! Records that are kept back: by their policy, or by the dead-letter guard.

use std::time::Duration;

use super::LaneTask;
use super::guard::Reason;
use super::report::Fate;
use super::slots::{Failure, Guarded, State};
use super::timers::Kind;

/// A held record is tried again after this; one that cannot be decoded, only at a new assignment.
const HELD: Duration = Duration::from_secs(30);

impl LaneTask {
    /// Whether the dead-letter guard keeps the record back, and why; else it has counted it, once.
    pub(super) fn guard_refuses(&mut self, offset: i64, failure: &Failure) -> Option<String> {
        let is_oldest = self.offsets.oldest() == Some(offset);
        let slot = self.slots.get_mut(offset)?;
        if slot.guard == Guarded::Counted {
            return None;
        }
        let reason = Reason::of(failure);
        // Of several that are kept back, one is the probe.
        let probes = match slot.guard {
            Guarded::KeptBack(probes) => probes + u32::from(is_oldest),
            _ => 0,
        };
        let is_probe = matches!(slot.guard, Guarded::KeptBack(_)) && is_oldest;
        let is_given_up = is_probe && self.guard.gives_up_probe(&reason, probes);
        let refused = if is_given_up { None } else { self.guard.refuses() };
        slot.guard = if refused.is_some() { Guarded::KeptBack(probes) } else { Guarded::Counted };
        if refused.is_none() {
            self.guard.dead_lettered(reason);
        }
        refused
    }

    pub(super) fn hold(&mut self, offset: i64, attempt: u32, failure: &Failure, again: bool) {
        self.keep_back(offset, attempt, failure, None, again);
    }

    pub(super) fn keep_back(
        &mut self,
        offset: i64,
        attempt: u32,
        failure: &Failure,
        guard: Option<&str>,
        again: bool,
    ) {
        let Some(slot) = self.slots.get_mut(offset) else { return };
        let first = slot.failure.is_none() || slot.attempts_here() <= self.subscriber.retry.max_attempts();
        slot.attempt += 1;
        slot.failure = Some(failure.clone());
        self.slots.set(offset, State::Held);
        self.tell_held(offset, attempt, failure, guard, first);
        self.tell_fate(offset, Fate::Held);
        if again {
            self.wait(offset, HELD, Kind::Held);
        }
    }
}
