//! Where a seek goes.

/// A position in a partition, for a seek.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use faststream::SeekTo;
///
/// let an_hour_ago = SeekTo::from(SystemTime::now() - Duration::from_secs(3600));
/// assert!(matches!(an_hour_ago, SeekTo::Timestamp(ms) if ms > 0));
/// assert_eq!(SeekTo::Offset(7).to_string(), "offset 7");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekTo {
    /// The record with this offset, or the next one after it. The end of the partition is allowed, anything beyond its
    /// two ends is refused.
    Offset(i64),
    /// The first record that still exists.
    Beginning,
    /// Behind the last record that exists now.
    End,
    /// The first record with this timestamp or a later one, in milliseconds of Unix time; the end if there is none.
    Timestamp(i64),
}

impl From<std::time::SystemTime> for SeekTo {
    /// Returns the first record at or after this time.
    fn from(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self::Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl std::fmt::Display for SeekTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "offset {offset}"),
            Self::Beginning => f.write_str("the beginning"),
            Self::End => f.write_str("the end"),
            Self::Timestamp(ms) => write!(f, "the first record at {ms} ms of Unix time"),
        }
    }
}
