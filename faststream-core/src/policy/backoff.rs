//! Pauses that double: of retries in place, and of whatever the runtime and the backends try again.

use std::time::Duration;

/// Pauses between failures in a row, which double from the first to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// Failures since the last success.
    failures: u32,
}

impl Backoff {
    /// Returns pauses from `first` to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Returns the pause after this failure in a row: 1 is the first.
    #[must_use]
    pub fn after(&self, failure: u32) -> Duration {
        let doublings = failure.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// Returns the pause after this failure in a row, shortened by up to a quarter, so that processes that failed
    /// together do not try again together. `random` is in 0..1.
    #[must_use]
    pub fn jittered(&self, failure: u32, random: f64) -> Duration {
        self.after(failure).mul_f64(1.0 - random.clamp(0.0, 1.0) / 4.0)
    }

    /// Returns the pause after the last failure; zero if nothing failed since the last success.
    #[must_use]
    pub fn pause(&self) -> Duration {
        if self.failures == 0 { Duration::ZERO } else { self.after(self.failures) }
    }

    /// Records a failure, and returns the pause before the next attempt.
    pub fn lengthen(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.pause()
    }

    /// Records a success.
    pub fn end(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_longest_until_it_ends() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
        assert_eq!(backoff.pause(), Duration::ZERO);
        let seconds: Vec<u64> = (0..6).map(|_| backoff.lengthen().as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.pause(), Duration::from_secs(30));
        backoff.end();
        assert_eq!(backoff.pause(), Duration::ZERO);
        assert_eq!(backoff.lengthen(), Duration::from_secs(2));
    }

    #[test]
    fn however_often_it_fails_no_pause_exceeds_the_longest_and_jitter_takes_a_quarter_at_most() {
        let backoff = Backoff::new(Duration::from_nanos(1), Duration::from_secs(86_400));
        assert_eq!(backoff.after(u32::MAX), Duration::from_nanos(1 << 31));
        let backoff = Backoff::new(Duration::from_secs(4), Duration::from_secs(86_400));
        assert_eq!(backoff.after(u32::MAX), Duration::from_secs(86_400));
        assert_eq!(backoff.jittered(1, 0.0), Duration::from_secs(4));
        assert_eq!([1.0, 7.0].map(|random| backoff.jittered(1, random)), [Duration::from_secs(3); 2]);
    }
}
