//! Durations as users write them: `200ms`, `10s`, `1m`, `2h`.

use std::time::Duration;

/// A duration that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a number and a unit, such as `200ms`, `10s`, `1m`, `2h`")]
pub struct DurationError(pub String);

/// Parses `200ms`, `10s`, `1m` or `2h`: a whole number and one unit.
///
/// # Errors
/// If the number or the unit is missing, or the unit is another one.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.to_owned());
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let number: u64 = text[..digits].parse().map_err(|_| error())?;
    let millis = match &text[digits..] {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_and_a_unit() {
        for (text, millis) in
            [("200ms", 200), ("10s", 10_000), ("1m", 60_000), ("2h", 7_200_000), (" 5s ", 5_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else_with_the_text() {
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "10sec", "99999999999999999h", "1d", "١s"] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }
}
