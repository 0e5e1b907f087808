//! Records that were given up on, with their reasons.

use std::sync::Arc;

use bytes::Bytes;

use crate::memory::MemoryBroker;
use crate::record::OwnedRecord;
use crate::subscriber::Subscriber;

/// A record that was given up on, with its reason, from the headers of its copy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The topic that it was read from.
    pub topic: String,
    /// The partition there.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
    /// The handler's group.
    pub group: String,
    /// The handler.
    pub handler: String,
    /// How often it was tried.
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
    /// The record's headers, in order; those that say why it was given up on are left out.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The record's timestamp, in Unix milliseconds.
    pub timestamp: Option<i64>,
}

impl DeadLetter {
    /// The value of the record's last header of this name, as text; `None` if there is none, or it is null.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().rev().find(|(known, _)| known == name)?;
        found.1.as_deref().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Those of the records read from `topic`, wherever its handlers put them.
    pub(super) fn all(broker: &MemoryBroker, subscribers: &[Arc<Subscriber>], topic: &str) -> Vec<Self> {
        let readers = subscribers.iter().filter(|subscriber| subscriber.reads(topic));
        let mut places: Vec<_> = readers.map(|subscriber| subscriber.dead_letter_topic(topic)).collect();
        places.sort();
        places.dedup();
        let records = places.iter().flat_map(|place| broker.records(place));
        records.map(|(_, record)| Self::read(record)).filter(|letter| letter.topic == topic).collect()
    }

    pub(super) fn read(record: OwnedRecord) -> Self {
        let text = |name: &str| {
            // The last one counts: the record may have been a dead letter before.
            let found = record.headers.iter().rev().find(|(key, _)| key == name.as_bytes());
            let value = found.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        Self {
            topic: text("dlt-original-topic"),
            partition: text("dlt-original-partition").parse().unwrap_or(-1),
            offset: text("dlt-original-offset").parse().unwrap_or(-1),
            group: text("dlt-consumer-group"),
            handler: text("dlt-handler"),
            attempts: text("dlt-attempts").parse().unwrap_or_default(),
            error_type: text("dlt-error-type"),
            error: text("dlt-error-message"),
            error_message: text("dlt-error-message"),
            key: record.key.clone(),
            payload: record.payload.clone(),
            headers: own_headers(&record),
            timestamp: text("dlt-original-timestamp").parse().ok(),
        }
    }
}

fn own_headers(record: &OwnedRecord) -> Vec<(String, Option<Bytes>)> {
    let own = record.headers.iter().filter(|(name, _)| !name.starts_with(b"dlt-"));
    own.map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.clone())).collect()
}
