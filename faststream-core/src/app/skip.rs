//! A held record that is to be let go of: where it is, and which one it is.

use std::fmt;

/// A held record that is to be finished without a call, as `run --skip TOPIC:PARTITION:OFFSET@TIMESTAMP` asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its time, in milliseconds since the epoch. In a topic that was made again, another record has its offset: with a
    /// time, that one is not let go of.
    pub timestamp: Option<i64>,
}

impl Skip {
    /// Reads `TOPIC:PARTITION:OFFSET` or `TOPIC:PARTITION:OFFSET@TIMESTAMP`; `None` if it is neither.
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
    /// Whichever record is there.
    fn from((topic, partition, offset): (String, i32, i64)) -> Self {
        Self { topic, partition, offset, timestamp: None }
    }
}

/// As it is parsed.
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
