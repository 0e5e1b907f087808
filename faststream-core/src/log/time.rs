//! Durations and counts as people read them.

use std::fmt;
use std::time::Duration;

/// A duration in words, with two units at most: `160 ms`, `1.5 s`, `2 min 5 s`, `3 h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

impl Time {
    /// Returns the duration rounded to two digits, which are enough for a pause or an age.
    ///
    /// It carries over: 996 ms become 1 s.
    #[must_use]
    pub fn about(duration: Duration) -> Self {
        let mut unit = 1;
        while duration.as_micros() / unit >= 100 {
            unit *= 10;
        }
        let rounded = (duration.as_micros() + unit / 2) / unit * unit;
        Self(Duration::from_micros(u64::try_from(rounded).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (millis, seconds) = (self.0.subsec_millis(), self.0.as_secs());
        let two = |f: &mut fmt::Formatter<'_>, (large, name), (small, rest)| {
            write!(f, "{large} {name}")?;
            if small > 0 { write!(f, " {small} {rest}") } else { Ok(()) }
        };
        match seconds {
            0 if millis == 0 && !self.0.is_zero() => f.write_str("less than 1 ms"),
            0 => write!(f, "{millis} ms"),
            1..60 if millis == 0 => write!(f, "{seconds} s"),
            1..60 => {
                let fraction = format!("{millis:03}");
                write!(f, "{seconds}.{} s", fraction.trim_end_matches('0'))
            }
            60..3_600 => two(f, (seconds / 60, "min"), (seconds % 60, "s")),
            _ => two(f, (seconds / 3_600, "h"), (seconds % 3_600 / 60, "min")),
        }
    }
}

/// Returns a count in groups of three digits: `81,234`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns `1 attempt`, `2 attempts`.
#[must_use]
pub fn attempts(number: u32) -> String {
    if number == 1 { "1 attempt".to_owned() } else { format!("{number} attempts") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_with_their_unit() {
        for (millis, text) in [
            (0, "0 ms"),
            (125, "125 ms"),
            (1_000, "1 s"),
            (1_500, "1.5 s"),
            (10_020, "10.02 s"),
            (60_000, "1 min"),
            (125_000, "2 min 5 s"),
            (3_600_000, "1 h"),
            (10_020_000, "2 h 47 min"),
        ] {
            assert_eq!(Time(Duration::from_millis(millis)).to_string(), text);
        }
        assert_eq!(Time(Duration::from_micros(300)).to_string(), "less than 1 ms");
        assert!(!Time(Duration::MAX).to_string().is_empty());
    }

    #[test]
    fn about_keeps_two_digits() {
        for (micros, text) in [
            (161_583, "160 ms"),
            (7_400, "7 ms"),
            (12_031_000, "12 s"),
            (1_234_000, "1.2 s"),
            (996_000, "1 s"),
            (0, "0 ms"),
        ] {
            assert_eq!(Time::about(Duration::from_micros(micros)).to_string(), text);
        }
        assert!(!Time::about(Duration::MAX).to_string().is_empty());
    }

    #[test]
    fn counts_are_grouped() {
        let texts = [0, 12, 999, 1_000, 81_234, 1_234_567].map(count);
        assert_eq!(texts, ["0", "12", "999", "1,000", "81,234", "1,234,567"]);
    }
}
