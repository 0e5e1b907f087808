//! A record on its way to the broker, encoded.

use std::sync::Arc;

use bytes::Bytes;

use crate::broker::{PublishError, PublishErrorKind};

/// A record on its way to the broker. Cloning it shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic.
    pub topic: Arc<str>,
    /// Which partition.
    pub partition: Partition,
    /// The key.
    pub key: Option<Bytes>,
    /// The payload; `None` is a tombstone.
    pub payload: Option<Bytes>,
    /// Names and values, in order; duplicates and nulls are kept.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Milliseconds since the epoch; `None` is now.
    pub timestamp: Option<i64>,
}

/// Which partition a record goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partition {
    /// By the key's murmur2 hash, as Kafka's own clients choose; any, if there is no key.
    #[default]
    ByKey,
    /// This one; refused if it does not exist.
    Exactly(i32),
    /// This one if it exists, else as [`ByKey`](Self::ByKey).
    IfExists(i32),
}

impl Outgoing {
    /// A record with a payload, and nothing else.
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

    /// Whether any backend can write it: a header's name that contains a NUL byte would be read up to there.
    ///
    /// # Errors
    /// If none can, whatever the broker says.
    pub fn check(&self) -> Result<(), PublishError> {
        let Some((name, _)) = self.headers.iter().find(|(name, _)| name.contains(&0)) else { return Ok(()) };
        Err(PublishError {
            kind: PublishErrorKind::Permanent,
            topic: self.topic.to_string(),
            message: format!(
                "the header name `{}` contains a NUL byte, and would be read up to there: choose a name without",
                name.escape_ascii()
            ),
        })
    }
}
