//! An encoded record for the broker.

use std::sync::Arc;

use bytes::Bytes;

/// An encoded record for the broker. Clones share the bytes.
///
/// ```
/// use faststream::{Outgoing, Partition};
///
/// let record = Outgoing::new("orders", "{broken");
/// assert_eq!((&*record.topic, record.key.is_none()), ("orders", true));
/// let third = Outgoing { partition: Partition::Exactly(3), key: Some("acme".into()), ..record };
/// assert_eq!(third.payload.as_deref(), Some(&b"{broken"[..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition, or how it is chosen.
    pub partition: Partition,
    /// The key.
    pub key: Option<Bytes>,
    /// The payload; `None` is a tombstone.
    pub payload: Option<Bytes>,
    /// Header names and values, in order. Duplicates and nulls are kept.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Milliseconds since the epoch; `None` is now.
    pub timestamp: Option<i64>,
}

/// The end of the year 2100. Brokers refuse far earlier times by their own clock (`message.timestamp.after.max.ms`, an
/// hour).
const LATEST: i64 = 4_133_980_799_999;

/// The partition that a record goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partition {
    /// Chosen by the key's murmur2 hash, as by Kafka's own clients; any partition if there is no key.
    #[default]
    ByKey,
    /// This partition. The record is refused if the partition does not exist.
    Exactly(i32),
    /// This partition if it exists, else as [`ByKey`](Self::ByKey).
    IfExists(i32),
}

impl Outgoing {
    /// Returns a record with a payload and nothing else.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            partition: Partition::ByKey,
            key: None,
            payload: Some(payload.into()),
            headers: Vec::new(),
            timestamp: None,
        }
    }

    /// Returns why no backend can write the record as it is, whatever its broker answers: a header name that contains a
    /// NUL byte would be cut there, and a client reads the timestamp 0 as "now".
    pub(crate) fn fault(&self) -> Option<String> {
        self.header_fault().or_else(|| self.timestamp.and_then(timestamp_fault))
    }

    pub(crate) fn header_fault(&self) -> Option<String> {
        let (name, _) = self.headers.iter().find(|(name, _)| name.contains(&0))?;
        Some(format!(
            "the header name `{}` contains a NUL byte, and would be read up to there: choose a name without",
            name.escape_ascii()
        ))
    }
}

/// Returns why a timestamp cannot be written as it is.
pub(crate) fn timestamp_fault(timestamp: i64) -> Option<String> {
    match timestamp {
        ..0 => Some(format!("the timestamp {timestamp} is before 1970: leave it out, or set another one")),
        0 => Some(
            "the timestamp 0 would be written as the present time: leave it out, or set another one".into(),
        ),
        1..=LATEST => None,
        _ => Some(format!(
            "the timestamp {timestamp} is after the year 2100: give milliseconds since 1970, or leave it out"
        )),
    }
}
