//! The headers of a copy in a retry topic: when it is due, where its record comes from, how it failed first.

use std::sync::Arc;

use bytes::Bytes;

use super::header::{add, cut, number, without};
use crate::record::{Outgoing, Partition, Record};

/// When the record is due, in Unix milliseconds.
pub const DUE: &str = "retry-due";
/// How often the record was tried, in all stages.
const ATTEMPTS: &str = "retry-attempts";
/// This and the next three: the position and the time of the record where it was read first.
const TOPIC: &str = "retry-original-topic";
const PARTITION: &str = "retry-original-partition";
const OFFSET: &str = "retry-original-offset";
const TIMESTAMP: &str = "retry-original-timestamp";
/// This and the next two: the first failure, when and how. Later copies keep it.
const FIRST_FAILED: &str = "retry-first-failed-at";
const ERROR_TYPE: &str = "retry-error-type";
const ERROR_MESSAGE: &str = "retry-error-message";
/// All names, to be removed before they are written again.
pub(super) const ALL: [&str; 9] =
    [DUE, ATTEMPTS, TOPIC, PARTITION, OFFSET, TIMESTAMP, FIRST_FAILED, ERROR_TYPE, ERROR_MESSAGE];

/// The past of a record that moves to a retry topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past<'a> {
    /// When it is due, in Unix milliseconds.
    pub due: i64,
    /// How often it was tried, in all stages.
    pub attempts: u32,
    /// When it failed first, in Unix milliseconds.
    pub first_failed_at: i64,
    /// The first error's type.
    pub error_type: &'a str,
    /// The first error and its causes; what is beyond 4 KiB is cut.
    pub error_message: &'a str,
}

/// Returns the copy of a record for the retry topic `topic`: with the same key and value, and for the same
/// partition number if that exists.
///
/// `original` is the record where it was read first. With `is_copy`, `record` is from a retry topic itself, and
/// the headers of its first failure are kept.
#[must_use]
pub fn encode(
    record: &Record<'_>,
    original: &Record<'_>,
    is_copy: bool,
    topic: Arc<str>,
    past: &Past<'_>,
) -> Outgoing {
    let kept = |name| record.header(name).filter(|_| is_copy).map(Bytes::copy_from_slice);
    let mut headers = without(record, &[&ALL]);
    add(&mut headers, DUE, past.due.to_string());
    add(&mut headers, ATTEMPTS, past.attempts.to_string());
    add(&mut headers, TOPIC, original.topic.to_owned());
    add(&mut headers, PARTITION, original.partition.to_string());
    add(&mut headers, OFFSET, original.offset.to_string());
    if let Some(timestamp) = original.timestamp {
        add(&mut headers, TIMESTAMP, timestamp.to_string());
    }
    let first_failed = || past.first_failed_at.to_string().into();
    add(&mut headers, FIRST_FAILED, kept(FIRST_FAILED).unwrap_or_else(first_failed));
    let error_type = || past.error_type.to_owned().into();
    add(&mut headers, ERROR_TYPE, kept(ERROR_TYPE).unwrap_or_else(error_type));
    let message = || cut(past.error_message).into();
    add(&mut headers, ERROR_MESSAGE, kept(ERROR_MESSAGE).unwrap_or_else(message));
    Outgoing {
        topic,
        partition: Partition::IfExists(original.partition),
        key: record.key.map(Bytes::copy_from_slice),
        payload: record.payload.map(Bytes::copy_from_slice),
        headers,
        timestamp: None,
    }
}

/// Returns when the copy is due, in milliseconds of Unix time; `None` if its header is missing or invalid. The
/// record is due at once then.
#[must_use]
pub fn due(record: &Record<'_>) -> Option<i64> {
    number(record, DUE)
}

/// Returns how often the record was tried before. A header may contain any number, so it is limited to leave room
/// for counting on.
#[must_use]
pub fn attempts(record: &Record<'_>) -> u32 {
    number::<u32>(record, ATTEMPTS).map_or(0, |attempts| attempts.min(u32::MAX / 2))
}

/// Returns the record at the position where it was read first, in `topic`.
///
/// If a part of that position is missing or invalid, the record keeps its current one: half of a position would be
/// that of another record.
#[must_use]
pub fn original<'a>(record: Record<'a>, topic: &'a str) -> Record<'a> {
    let partition = number(&record, PARTITION).filter(|partition: &i32| *partition >= 0);
    let offset = number(&record, OFFSET).filter(|offset: &i64| *offset >= 0);
    let (partition, offset, timestamp) = match (partition, offset) {
        (Some(partition), Some(offset)) => (partition, offset, number(&record, TIMESTAMP)),
        _ => (record.partition, record.offset, record.timestamp),
    };
    Record { topic, partition, offset, timestamp, ..record }
}
