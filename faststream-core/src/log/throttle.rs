//! When a problem that goes on is logged: at once, then once a minute.

use std::ops::Sub;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// How long the same line stays quiet after it was logged.
pub const QUIET: Duration = Duration::from_secs(60);
/// How long something that is waited for may take before that is logged: the contract of a broker demands a line within
/// 2 s.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Lets the same line through at once, and again after each minute. `I` is the caller's clock.
#[derive(Debug, Clone, Copy)]
pub struct Throttle<I = Instant> {
    /// When the line was logged last; `None` before the first time.
    logged: Option<I>,
    /// How often it was kept quiet since then.
    repeats: u64,
}

impl<I> Default for Throttle<I> {
    fn default() -> Self {
        Self { logged: None, repeats: 0 }
    }
}

impl<I: Copy + Sub<Output = Duration>> Throttle<I> {
    /// Returns how often the line was kept quiet since it was logged last, if it is to be logged now.
    pub fn admit(&mut self, now: I) -> Option<u64> {
        if self.logged.is_some_and(|logged| now - logged < QUIET) {
            self.repeats += 1;
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.repeats))
    }

    /// Returns whether the line was logged before, so that its end is worth a line, too.
    #[must_use]
    pub fn was_logged(&self) -> bool {
        self.logged.is_some()
    }
}

/// Waits for `answer`, as long as it takes, and calls `remind` when it is late, then once a minute. Returns the answer,
/// and how long it took if `remind` was called.
pub async fn reminded<T>(answer: impl Future<Output = T>, mut remind: impl FnMut()) -> (T, Option<Duration>) {
    let (began, mut patience, mut answer) = (Instant::now(), PATIENCE, pin!(answer));
    loop {
        if let Ok(answer) = timeout(patience, answer.as_mut()).await {
            return (answer, (patience == QUIET).then(|| began.elapsed()));
        }
        remind();
        patience = QUIET;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_admitted_at_once_and_then_once_a_minute_with_its_repeats() {
        let (mut throttle, start) = (Throttle::default(), std::time::Instant::now());
        assert!(!throttle.was_logged());
        let mut at = |seconds| throttle.admit(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!([at(1), at(2), at(59)], [None, None, None]);
        assert_eq!(at(60), Some(3));
        assert_eq!(at(61), None);
        assert_eq!(at(121), Some(1));
        assert_eq!(at(181), Some(0));
        assert!(throttle.was_logged());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_reminded_of_after_a_second_and_a_half_and_then_once_a_minute() {
        let mut reminders = 0;
        let sleep = |millis| tokio::time::sleep(Duration::from_millis(millis));
        assert_eq!(reminded(sleep(1_499), || reminders += 1).await, ((), None));
        assert_eq!(reminders, 0);
        let late = reminded(sleep(121_600), || reminders += 1).await;
        assert_eq!(late, ((), Some(Duration::from_millis(121_600))));
        assert_eq!(reminders, 3, "after 1.5, 61.5 and 121.5 s");
    }
}
