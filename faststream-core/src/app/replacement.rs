//! When a failed client is replaced: after which pause, or not at all.
//!
//! Pure decisions of one membership.

use std::time::Duration;

use tokio::time::Instant;

use crate::broker::Remedy;
use crate::log::Throttle;
use crate::policy::Backoff;

/// The pause before a replacement. Each further one doubles it.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// After a client has worked for this long, its replacement counts as the first one.
const SOUND: Duration = Duration::from_secs(60);
/// The pause between two attempts while somebody has to fix something, so that a fix takes effect soon.
const MENDED: Duration = Duration::from_secs(2);
/// The pause between two attempts while the member's place in the group is taken.
const TAKEN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Replacement {
    /// The pause before the next replacement, if clients fail by themselves.
    pause: Backoff,
    /// Since when the member's place in the group is taken.
    taken_since: Option<Instant>,
    /// The last reason, and when it was logged.
    reason: String,
    throttle: Throttle,
}

impl Replacement {
    pub(super) fn new() -> Self {
        Self { pause: PAUSES, taken_since: None, reason: String::new(), throttle: Throttle::default() }
    }

    /// Returns the pause before a new client takes over from one that lived for `lived`; `None` if no new client would
    /// do better. `was_assigned` is whether the membership ever had an assignment.
    pub(super) fn after(
        &mut self,
        now: Instant,
        lived: Duration,
        was_assigned: bool,
        remedy: Remedy,
    ) -> Option<Duration> {
        match remedy {
            Remedy::Nothing => None,
            Remedy::Somebody => Some(MENDED),
            Remedy::Time { longest } => {
                let since = *self.taken_since.get_or_insert(now);
                (!was_assigned && now - since < longest).then_some(TAKEN)
            }
            Remedy::NewClient => {
                if lived >= SOUND {
                    self.pause.end();
                }
                Some(self.longer())
            }
        }
    }

    /// Returns the pause before the next attempt, longer each time.
    pub(super) fn longer(&mut self) -> Duration {
        self.pause.lengthen()
    }

    /// Returns whether to log this reason: at once, then once a minute.
    pub(super) fn is_logged(&mut self, now: Instant, why: &str) -> bool {
        if self.reason != why {
            (self.reason, self.throttle) = (why.to_owned(), Throttle::default());
        }
        self.throttle.admit(now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIME: Remedy = Remedy::Time { longest: Duration::from_secs(60) };

    #[tokio::test(start_paused = true)]
    async fn clients_that_fail_by_themselves_are_replaced_after_pauses_that_grow_until_one_is_sound() {
        let (mut replacement, now) = (Replacement::new(), Instant::now());
        let mut after = |lived: u32| replacement.after(now, SECOND * lived, true, Remedy::NewClient);
        let pauses: Vec<_> = (0..8).map(|_| after(5).map(|pause| pause.as_secs())).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60].map(Some));
        assert_eq!(after(60), Some(SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_has_to_mend_is_tried_every_two_seconds_however_long_it_takes() {
        let (mut replacement, start) = (Replacement::new(), Instant::now());
        for second in 0..1_000 {
            let pause = replacement.after(start + SECOND * second, Duration::ZERO, true, Remedy::Somebody);
            assert_eq!(pause, Some(SECOND * 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_taken_is_waited_for_before_the_first_assignment_and_as_long_as_it_may_take() {
        let (mut replacement, start) = (Replacement::new(), Instant::now());
        let mut at = |second: u32, was_assigned| {
            replacement.after(start + SECOND * second, Duration::ZERO, was_assigned, TIME)
        };
        assert_eq!([at(0, false), at(30, false), at(59, false)], [Some(SECOND); 3]);
        assert_eq!([at(60, false), at(1, true)], [None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_reason_is_logged_once_a_minute_and_another_at_once() {
        let (mut replacement, start) = (Replacement::new(), Instant::now());
        let mut at = |second: u32, why| replacement.is_logged(start + SECOND * second, why);
        assert_eq!([at(0, "denied"), at(2, "denied"), at(59, "denied")], [true, false, false]);
        assert_eq!([at(60, "denied"), at(61, "taken"), at(62, "taken")], [true, true, false]);
    }
}
