//! The headers of a dead letter: where its record comes from, who gave up on it, and why.

use std::sync::Arc;

use bytes::Bytes;

use super::header::{add, cut, without};
use super::retry;
use crate::record::{Outgoing, OwnedRecord, Partition, Record};

/// This and the next three: the position and the time of the record where it was read first.
const TOPIC: &str = "dlt-original-topic";
const PARTITION: &str = "dlt-original-partition";
const OFFSET: &str = "dlt-original-offset";
const TIMESTAMP: &str = "dlt-original-timestamp";
/// This and the next: the group, and the handler that gave up on it.
const GROUP: &str = "dlt-consumer-group";
const HANDLER: &str = "dlt-handler";
/// This and the next three: how often it was called, how it failed the last time, and when.
const ATTEMPTS: &str = "dlt-attempts";
const ERROR_TYPE: &str = "dlt-error-type";
const ERROR_MESSAGE: &str = "dlt-error-message";
const FAILED_AT: &str = "dlt-failed-at";
/// All names, to be removed before they are written again.
const ALL: [&str; 10] =
    [TOPIC, PARTITION, OFFSET, TIMESTAMP, GROUP, HANDLER, ATTEMPTS, ERROR_TYPE, ERROR_MESSAGE, FAILED_AT];

/// Why a record was given up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason<'a> {
    /// The consumer group.
    pub group: &'a str,
    /// The handler's name.
    pub handler: &'a str,
    /// How often it was called.
    pub attempts: u32,
    /// The error type's name, `panic`, `timeout`, `rejection`.
    pub error_type: &'a str,
    /// The error and its causes; what is beyond 4 KiB is cut.
    pub error_message: &'a str,
    /// When it failed the last time, in Unix milliseconds.
    pub failed_at: i64,
}

/// Returns the dead letter of a record for `topic`: with the same key and value, and for the same partition number
/// if that exists. `original` is the record where it was read first.
///
/// The headers contain one reason, the one of this failure, even if the record was a dead letter or a retry copy
/// before. Other headers stay. Copies key, value and headers.
#[must_use]
pub fn encode(original: &Record<'_>, topic: Arc<str>, reason: &Reason<'_>) -> Outgoing {
    let mut headers = without(original, &[&ALL, &retry::ALL]);
    add(&mut headers, TOPIC, original.topic.to_owned());
    add(&mut headers, PARTITION, original.partition.to_string());
    add(&mut headers, OFFSET, original.offset.to_string());
    if let Some(timestamp) = original.timestamp {
        add(&mut headers, TIMESTAMP, timestamp.to_string());
    }
    add(&mut headers, GROUP, reason.group.to_owned());
    add(&mut headers, HANDLER, reason.handler.to_owned());
    add(&mut headers, ATTEMPTS, reason.attempts.to_string());
    add(&mut headers, ERROR_TYPE, reason.error_type.to_owned());
    add(&mut headers, ERROR_MESSAGE, cut(reason.error_message));
    add(&mut headers, FAILED_AT, reason.failed_at.to_string());
    Outgoing {
        topic,
        partition: Partition::IfExists(original.partition),
        key: original.key.map(Bytes::copy_from_slice),
        payload: original.payload.map(Bytes::copy_from_slice),
        headers,
        timestamp: None,
    }
}

/// The content of a dead letter's headers. Texts are empty and numbers absent if their header is missing or
/// invalid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterHeaders {
    /// The topic that its record was read from first.
    pub topic: String,
    /// The record's partition there.
    pub partition: Option<i32>,
    /// The record's offset there.
    pub offset: Option<i64>,
    /// The record's timestamp, in Unix milliseconds.
    pub timestamp: Option<i64>,
    /// The consumer group that gave up on it.
    pub group: String,
    /// The handler that gave up on it.
    pub handler: String,
    /// How often the handler was called.
    pub attempts: u32,
    /// The error type's name.
    pub error_type: String,
    /// The error and its causes.
    pub error_message: String,
    /// Its other headers, in order.
    pub others: Vec<(String, Option<Bytes>)>,
}

/// Reads the headers of a dead letter. The last header of a name counts: the record may have been a dead letter of
/// another program before.
#[must_use]
pub fn decode(record: &OwnedRecord) -> DeadLetterHeaders {
    let text = |name: &str| {
        let found = record.headers.iter().rev().find(|(key, _)| key == name.as_bytes());
        let value = found.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    let others = record.headers.iter().filter(|(name, _)| !name.starts_with(b"dlt-"));
    DeadLetterHeaders {
        topic: text(TOPIC),
        partition: text(PARTITION).parse().ok(),
        offset: text(OFFSET).parse().ok(),
        timestamp: text(TIMESTAMP).parse().ok(),
        group: text(GROUP),
        handler: text(HANDLER),
        attempts: text(ATTEMPTS).parse().unwrap_or_default(),
        error_type: text(ERROR_TYPE),
        error_message: text(ERROR_MESSAGE),
        others: others
            .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.clone()))
            .collect(),
    }
}
