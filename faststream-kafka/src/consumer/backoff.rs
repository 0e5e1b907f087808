//! A pause that doubles each time, up to a limit.
//!
//! Pure bookkeeping, without a clock and without randomness: the caller waits.

use std::time::Duration;

/// The pause before a failed operation is retried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// The pause after the first failure.
    first: Duration,
    /// The pause that is not exceeded.
    longest: Duration,
    /// The current pause; zero before the first failure, and after a success.
    pause: Duration,
}

impl Backoff {
    /// Returns a pause that has not begun.
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, pause: Duration::ZERO }
    }

    /// Returns the current pause; zero if nothing failed since the last success.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Records a failure, and returns the pause before the next attempt: the first one, or twice the last one.
    pub(super) fn lengthen(&mut self) -> Duration {
        self.pause = (self.pause * 2).clamp(self.first, self.longest);
        self.pause
    }

    /// Records a success.
    pub(super) fn end(&mut self) {
        self.pause = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_longest_until_it_ends() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
        let seconds: Vec<u64> = (0..6).map(|_| backoff.lengthen().as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30]);
        backoff.end();
        assert_eq!(backoff.pause(), Duration::ZERO);
    }
}
