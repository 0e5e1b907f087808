//! Lanes whose commits fail: each is told, and told again after a minute at the earliest.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::Epoch;

/// How long a lane's failures stay quiet after one was told.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<Epoch, Refusal>);

#[derive(Debug)]
struct Refusal {
    failing: bool,
    /// This failure was told, so its end is told too.
    told: bool,
    /// When one was told.
    at: Instant,
}

impl Refusals {
    /// A lane's commit failed; whether that is to be told.
    pub(super) fn failed(&mut self, lane: Epoch, now: Instant) -> bool {
        let Some(known) = self.0.get_mut(&lane) else {
            self.0.insert(lane, Refusal { failing: true, told: true, at: now });
            return true;
        };
        if known.failing {
            return false;
        }
        known.failing = true;
        known.told = now - known.at >= PAUSE;
        if known.told {
            known.at = now;
        }
        known.told
    }

    /// A lane's commit was accepted; whether the end of its failures is to be told.
    pub(super) fn accepted(&mut self, lane: Epoch) -> bool {
        let known = self.0.get_mut(&lane);
        known.is_some_and(|known| std::mem::take(&mut known.failing) && known.told)
    }

    /// Lanes that are over fail no more.
    pub(super) fn retain(&mut self, lives: impl Fn(&Epoch) -> bool) {
        self.0.retain(|lane, _| lives(lane));
    }

    pub(super) fn any(&self) -> bool {
        self.0.values().any(|known| known.failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Epoch = Epoch(1);
    const B: Epoch = Epoch(2);

    #[test]
    fn a_lane_that_fails_beside_one_that_does_not_is_told_once() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let told = (0..10).filter(|_| refusals.failed(A, now) | refusals.accepted(B)).count();
        assert_eq!((told, refusals.any()), (1, true));
        refusals.retain(|lane| *lane == B);
        assert!(!refusals.any(), "its lane is over");
    }

    #[test]
    fn a_lane_that_fails_by_turns_is_told_once_a_minute() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let mut told = Vec::new();
        for second in (0..121).map(Duration::from_secs) {
            if refusals.failed(A, start + second) {
                told.push(second.as_secs());
                assert!(refusals.accepted(A), "its end is told as well");
            } else {
                assert!(!refusals.accepted(A));
            }
        }
        assert_eq!(told, [0, 60, 120]);
    }
}
