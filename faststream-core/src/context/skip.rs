//! A held record to skip.

use std::fmt;

/// A held record to finish without a call, as `run --skip TOPIC:PARTITION:OFFSET@TIMESTAMP` requests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// The record's topic.
    pub topic: String,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The record's time, in milliseconds since the epoch. In a recreated topic another record has the same offset.
    /// With a time, that record is not skipped.
    pub timestamp: Option<i64>,
}

impl Skip {
    /// Parses `TOPIC:PARTITION:OFFSET` or `TOPIC:PARTITION:OFFSET@TIMESTAMP`; returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, record) = text.rsplit_once(':')?;
        let (topic, partition) = rest.rsplit_once(':')?;
        let (offset, timestamp) = match record.split_once('@') {
            Some((offset, timestamp)) => (offset, Some(timestamp.parse().ok()?)),
            None => (record, None),
        };
        let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
        if partition < 0 || offset < 0 {
            return None;
        }
        Some(Self { topic: topic.to_owned(), partition, offset, timestamp })
    }
}

impl From<(String, i32, i64)> for Skip {
    /// Skips the record at this offset, whatever its time.
    fn from((topic, partition, offset): (String, i32, i64)) -> Self {
        Self { topic, partition, offset, timestamp: None }
    }
}

/// Formats the value as it is parsed.
impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partition, offset, timestamp } = self;
        write!(f, "{topic}:{partition}:{offset}")?;
        timestamp.map_or(Ok(()), |timestamp| write!(f, "@{timestamp}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_shown() {
        for text in ["orders:0:17", "a:b:3:0", "orders:0:17@1577836800000", "orders:0:17@-1"] {
            assert_eq!(Skip::parse(text).expect(text).to_string(), text);
        }
        for text in [
            "",
            "orders",
            "orders:0",
            "orders:x:1",
            "orders:0:x",
            "orders:0:1@",
            "orders:0:1@x",
            "orders:0:1@2@3",
            "orders:-1:5",
            "orders:0:-1",
        ] {
            assert_eq!(Skip::parse(text), None, "{text}");
        }
    }
}
