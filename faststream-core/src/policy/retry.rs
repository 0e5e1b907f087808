//! Retries in place: the number of attempts and the pauses between them.

use std::time::Duration;

use super::{Backoff, DurationError, parse_duration};

/// Retries in place: the record waits in its partition, and the order is kept.
///
/// The pause doubles from the first to the longest. Each pause is shortened by up to a quarter at random, so that
/// processes that failed together do not retry together.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::Retry;
///
/// let retry = Retry::attempts(3).backoff(Duration::from_secs(1), Duration::from_secs(30));
/// assert_eq!(retry.max_attempts(), 3);
/// assert_eq!(retry, Retry::attempts(3).parse_backoff("1s..30s")?);
/// assert!(Retry::default().parse_backoff("soon").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    first: Duration,
    longest: Duration,
}

/// A backoff that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackoffError {
    /// One of the ends is not a duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// The first pause is zero, which would be a hot loop.
    #[error("a backoff begins above zero: `{0}` would retry in a hot loop")]
    Zero(String),
    /// The first pause is longer than the longest.
    #[error("the first pause of `{0}` is longer than the longest: write it the other way round")]
    Reversed(String),
}

impl Default for Retry {
    /// Returns the default: 5 attempts, with pauses from 1 s to 30 s.
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

impl Retry {
    /// Returns retries with `attempts` calls in all (1 = no retry, 0 is refused at startup) and pauses from 1 s to 30
    /// s.
    #[must_use]
    pub fn attempts(attempts: u32) -> Self {
        Self { attempts, ..Self::default() }
    }

    /// Returns the same pauses with another number of calls (0 is refused at startup).
    #[must_use]
    pub fn with_attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Sets pauses that double from `first` to `longest`. Less than 1 ms, more than a day, and a `first` longer than
    /// `longest` are refused at startup.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first = first;
        self.longest = longest;
        self
    }

    /// Parses `200ms..10s`, or one duration for a constant pause.
    ///
    /// # Errors
    /// If an end is not a duration, or the first pause is zero or longer than the longest.
    pub fn parse_backoff(self, text: &str) -> Result<Self, BackoffError> {
        let (first, longest) = text.split_once("..").unwrap_or((text, text));
        let (first, longest) = (parse_duration(first)?, parse_duration(longest)?);
        if first.is_zero() {
            return Err(BackoffError::Zero(text.to_owned()));
        }
        if first > longest {
            return Err(BackoffError::Reversed(text.to_owned()));
        }
        Ok(self.backoff(first, longest))
    }

    /// Returns the number of calls in all.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.attempts.max(1)
    }

    /// Returns the attempts, the first pause and the longest pause, unchecked.
    pub(crate) fn as_given(&self) -> (u32, Duration, Duration) {
        (self.attempts, self.first, self.longest)
    }

    /// Returns the pause after this failed attempt (1 = the first), or `None` after the last attempt. `random` is in
    /// 0..1.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use faststream::Retry;
    ///
    /// let retry = Retry::attempts(3).backoff(Duration::from_secs(1), Duration::from_secs(30));
    /// assert!(retry.pause_after(1, 0.5) <= Some(Duration::from_millis(1_250)));
    /// assert_eq!(retry.pause_after(3, 0.5), None); // that was the last attempt
    /// ```
    #[must_use]
    pub fn pause_after(&self, attempt: u32, random: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        Some(Backoff::new(self.first, self.longest).jittered(attempt, random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let retry = Retry::attempts(6).parse_backoff("200ms..1s").expect("a backoff");
        let pauses: Vec<_> = (1..=6).map(|attempt| retry.pause_after(attempt, 0.0)).collect();
        let millis = |pause: Option<Duration>| pause.map(|pause| pause.as_millis());
        assert_eq!(
            pauses.into_iter().map(millis).collect::<Vec<_>>(),
            [Some(200), Some(400), Some(800), Some(1000), Some(1000), None]
        );
    }

    #[test]
    fn jitter_takes_a_quarter_at_most() {
        let retry = Retry::default();
        assert_eq!(retry.pause_after(1, 1.0), Some(Duration::from_millis(750)));
    }

    #[test]
    fn a_wrong_backoff_says_what_is_wrong() {
        let wrong = |text| Retry::default().parse_backoff(text).expect_err(text).to_string();
        assert!(wrong("0ms..1s").contains("hot loop"));
        assert!(wrong("10s..1s").contains("other way round"));
        assert!(wrong("1..10s").contains("`1` is not a duration"));
    }
}
