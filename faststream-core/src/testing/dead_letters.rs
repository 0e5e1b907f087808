//! Dead letters, with their reasons.

use std::sync::Arc;

use bytes::Bytes;

use crate::memory::MemoryBroker;
use crate::record::OwnedRecord;
use crate::subscriber::Subscriber;
use crate::wire::dead_letter;

/// A record that the app gave up on, with its reason, from the headers of its dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The original topic.
    pub topic: String,
    /// The original partition.
    pub partition: i32,
    /// The original offset.
    pub offset: i64,
    /// The handler's group.
    pub group: String,
    /// The handler.
    pub handler: String,
    /// How many attempts the record had, in all stages.
    pub attempts: u32,
    /// The error's type.
    pub error_type: String,
    /// The error's text.
    pub error: String,
    /// The error's text, by the name of its header.
    pub error_message: String,
    /// The record's key.
    pub key: Option<Bytes>,
    /// The record's payload.
    pub payload: Option<Bytes>,
    /// The record's headers, in order, without those that give the reason.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The record's timestamp, in Unix milliseconds.
    pub timestamp: Option<i64>,
}

impl DeadLetter {
    /// Returns the value of the record's last header of this name, as text; `None` if there is none, or it is null.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().rev().find(|(known, _)| known == name)?;
        found.1.as_deref().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Returns the dead letters of the records read from `topic`, whichever topics its handlers wrote them to.
    pub(super) fn all(broker: &MemoryBroker, subscribers: &[Arc<Subscriber>], topic: &str) -> Vec<Self> {
        let readers = subscribers.iter().filter(|subscriber| subscriber.spec.reads(topic));
        let mut places: Vec<_> = readers.map(|subscriber| subscriber.dead_letter_topic(topic)).collect();
        places.sort();
        places.dedup();
        let records = places.iter().flat_map(|place| broker.records(place));
        records.map(|(_, record)| Self::read(record)).filter(|letter| letter.topic == topic).collect()
    }

    /// Reads a dead letter. A position whose header is missing or invalid is -1.
    pub(super) fn read(record: OwnedRecord) -> Self {
        let said = dead_letter::decode(&record);
        Self {
            topic: said.topic,
            partition: said.partition.unwrap_or(-1),
            offset: said.offset.unwrap_or(-1),
            group: said.group,
            handler: said.handler,
            attempts: said.attempts,
            error_type: said.error_type,
            error: said.error_message.clone(),
            error_message: said.error_message,
            key: record.key,
            payload: record.payload,
            headers: said.others,
            timestamp: said.timestamp,
        }
    }
}
