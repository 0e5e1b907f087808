//! The content of a copy, by which the model recognizes it in the logs, and the origin of a dead letter.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::history::CopyStep;
use crate::TopicPartition;
use crate::record::Outgoing;

/// The content of a copy, as a hash. A result: topic, key, payload and headers. A retry copy: its step, and what
/// stays the same from stage to stage. A dead letter: its origin. 64 bits: a collision would be one copy too many
/// in a run of some hundred records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Content(u64);

/// A record for one handler. Identifies a dead letter, whatever its other headers contain, and a finished record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Origin {
    /// The group.
    pub(super) group: Arc<str>,
    /// The handler of the group that gave up on it.
    pub(super) handler: Arc<str>,
    /// The partition that it was read from first.
    pub(super) tp: TopicPartition,
    /// Its record offset there.
    pub(super) offset: i64,
}

impl Content {
    /// Returns the content of a result: everything in it but its partition and its time.
    pub(super) fn of(record: &Outgoing) -> Self {
        let mut hasher = DefaultHasher::new();
        (&record.topic, &record.key, &record.payload, &record.headers).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Returns what a record keeps when it moves to a retry topic: everything but the headers that retry topics
    /// add.
    pub(super) fn kept_over_retry_topics(record: &Outgoing) -> Self {
        let mut hasher = DefaultHasher::new();
        (&record.key, &record.payload).hash(&mut hasher);
        let own = record.headers.iter().filter(|(name, _)| !name.starts_with(b"retry-"));
        own.for_each(|header| header.hash(&mut hasher));
        Self(hasher.finish())
    }

    /// Returns the content of a dead letter: its origin alone, because attempts, error and time differ when it is
    /// written again.
    pub(super) fn of_dead_letter(origin: &Origin) -> Self {
        let mut hasher = DefaultHasher::new();
        origin.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Returns the content of a retry copy, whatever its headers contain about times and errors.
    pub(super) fn of_step(step: &CopyStep, content: Self) -> Self {
        let mut hasher = DefaultHasher::new();
        (step, content).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Returns the origin of a dead letter; `None` if the record is none. The last headers count: the record may have
/// been a dead letter before.
pub(super) fn origin(record: &Outgoing) -> Option<Origin> {
    let text = |name: &str| {
        let found = record.headers.iter().rev().find(|(key, _)| key == name.as_bytes());
        found.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok())
    };
    Some(Origin {
        group: text("dlt-consumer-group")?.into(),
        handler: text("dlt-handler")?.into(),
        tp: TopicPartition::new(text("dlt-original-topic")?, text("dlt-original-partition")?.parse().ok()?),
        offset: text("dlt-original-offset")?.parse().ok()?,
    })
}
