//! Retry topics, as lanes see them: when a record is due, what it was before it came here, and how it goes on.
//!
//! Waiting is not pulling: a record that is not due is in no slot and unknown to the tracker. All that is known of its
//! past travels in its headers, so a crash at any step changes nothing.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::LaneTask;
use super::entry::CallFailure;
use super::timers::TimerKind;
use crate::record::Record;
use crate::record::{Outgoing, Partition};
#[cfg(feature = "planted-bugs")]
use crate::runtime::planted::{self, Planted};
use crate::subscriber::RetryTopic;

const DUE: &str = "retry-due";
const ATTEMPTS: &str = "retry-attempts";
const TOPIC: &str = "retry-original-topic";
const PARTITION: &str = "retry-original-partition";
const OFFSET: &str = "retry-original-offset";
const TIMESTAMP: &str = "retry-original-timestamp";
const FIRST_FAILED: &str = "retry-first-failed-at";
const ERROR_TYPE: &str = "retry-error-type";
const ERROR_MESSAGE: &str = "retry-error-message";
const ALL: [&str; 9] =
    [DUE, ATTEMPTS, TOPIC, PARTITION, OFFSET, TIMESTAMP, FIRST_FAILED, ERROR_TYPE, ERROR_MESSAGE];

/// An error message in a header is cut here, in bytes.
const MESSAGE: usize = 4096;

/// Whether the next record of a retry topic may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It was not looked at.
    Unknown,
    /// A timer is set.
    Later,
    /// Its time has come, whatever its header says.
    Now,
}

impl Due {
    pub(super) fn waits(self) -> bool {
        self == Self::Later
    }
}

impl LaneTask {
    /// Whether the record at the cursor may be handed out. If not, the lane is woken when it is.
    pub(super) fn is_due(&mut self) -> bool {
        let Some(retry_topic) = &self.scope.retry_topic else { return true };
        match self.inbox.due {
            Due::Now => return true,
            Due::Later => return false,
            Due::Unknown => {}
        }
        #[cfg(feature = "planted-bugs")]
        if planted::is_planted(Planted::ForgetDue)
            && self.inbox.start() > 0
            && self.offsets.prefix().is_none()
        {
            return true;
        }
        let (offset, pause) = self.inbox.wait(retry_topic.delay, self.scope.context.now_ms());
        if pause.is_zero() {
            return true;
        }
        let due = Instant::now() + pause;
        self.timers.add(due, offset, TimerKind::Due);
        // The wait may be long: no fetch buffer is pinned by it.
        self.detach();
        false
    }

    /// How often the record was tried before it came here. Headers may say anything: there is room to count on.
    pub(super) fn attempts_before(&self, record: &Record<'_>) -> u32 {
        let told = self.scope.retry_topic.as_ref().and_then(|_| number::<u32>(record, ATTEMPTS));
        told.map_or(0, |attempts| attempts.min(u32::MAX / 2))
    }

    /// The record where it was read first: what handlers and dead letters are told.
    pub(super) fn original<'a>(&'a self, record: Record<'a>) -> Record<'a> {
        let Some(retry_topic) = &self.scope.retry_topic else { return record };
        let partition = number(&record, PARTITION).filter(|partition: &i32| *partition >= 0);
        let offset = number(&record, OFFSET).filter(|offset: &i64| *offset >= 0);
        let (partition, offset, timestamp) = match (partition, offset) {
            (Some(partition), Some(offset)) => (partition, offset, number(&record, TIMESTAMP)),
            // Without its place, all that is known is where it is now: half of it would be that of another record.
            _ => (record.partition, record.offset, record.timestamp),
        };
        Record { topic: &retry_topic.source, partition, offset, timestamp, ..record }
    }

    /// Same key and value, same partition number where it exists; the past in the headers, the first failure kept.
    pub(super) fn retry_copy(&self, next: &RetryTopic, offset: i64, failure: &CallFailure) -> Outgoing {
        let entry = self.in_flight.entry(offset);
        let record = self.kept(entry);
        let original = self.original(record);
        let now = self.scope.context.now_ms();
        let kept = |name| {
            self.scope.retry_topic.as_ref().and_then(|_| record.header(name)).map(Bytes::copy_from_slice)
        };
        let (first, at) = entry.first.as_ref().map_or((failure, now), |(first, at)| (first, *at));

        let mut headers = without_retry_headers(&record);
        let mut add = |name: &'static str, value: Bytes| {
            headers.push((Bytes::from_static(name.as_bytes()), Some(value)));
        };
        add(DUE, self.scope.context.ms_after(next.delay).to_string().into());
        add(ATTEMPTS, entry.attempt.to_string().into());
        add(TOPIC, original.topic.to_owned().into());
        add(PARTITION, original.partition.to_string().into());
        add(OFFSET, original.offset.to_string().into());
        if let Some(timestamp) = original.timestamp {
            add(TIMESTAMP, timestamp.to_string().into());
        }
        add(FIRST_FAILED, kept(FIRST_FAILED).unwrap_or_else(|| at.to_string().into()));
        add(ERROR_TYPE, kept(ERROR_TYPE).unwrap_or_else(|| first.kind.into()));
        add(ERROR_MESSAGE, kept(ERROR_MESSAGE).unwrap_or_else(|| cut(&first.message).to_owned().into()));
        Outgoing {
            topic: next.name.clone(),
            partition: Partition::IfExists(original.partition),
            key: record.key.map(Bytes::copy_from_slice),
            payload: record.payload.map(Bytes::copy_from_slice),
            headers,
            timestamp: None,
        }
    }
}

/// The record's headers without what retry topics add: also where another group's were passed on by a handler.
pub(super) fn without_retry_headers(record: &Record<'_>) -> Vec<(Bytes, Option<Bytes>)> {
    let own = record.headers().filter(|(name, _)| !ALL.iter().any(|known| known.as_bytes() == *name));
    own.map(|(name, value)| (Bytes::copy_from_slice(name), value.map(Bytes::copy_from_slice))).collect()
}

/// A timestamp that is further in the future is not believed: clocks differ by less.
const SKEW: i64 = 60_000;

/// How long records wait, whatever was written into their headers and timestamps.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// When the first record without a credible timestamp came to the front, since all that had come was read.
    since: Option<i64>,
}

impl Waits {
    /// Until the record is due, at the Unix time `now`. Without a due time that can be read, it is due now.
    ///
    /// No header makes it wait longer than its topic's delay (`longest`) from when it was written. If its timestamp does
    /// not say when that was (none, or in the future), the delay counts from when the first such record came to the front:
    /// however many there are, they wait once.
    pub(super) fn pause(&mut self, record: &Record<'_>, longest: Duration, now: i64) -> Duration {
        let Some(due) = number::<i64>(record, DUE).filter(|due| *due > now) else { return Duration::ZERO };
        let longest = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
        let credible = 0..=now.saturating_add(SKEW);
        let written = record.timestamp.filter(|timestamp| credible.contains(timestamp));
        let written = written.unwrap_or_else(|| *self.since.get_or_insert(now));
        let left = due.min(written.saturating_add(longest)).saturating_sub(now);
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// All that had come was read: what comes from now on is written now.
    pub(super) fn caught_up(&mut self) {
        self.since = None;
    }
}

fn number<T: std::str::FromStr>(record: &Record<'_>, name: &str) -> Option<T> {
    std::str::from_utf8(record.header(name)?).ok()?.parse().ok()
}

/// No more than fits into a header.
pub(super) fn cut(message: &str) -> &str {
    let mut end = message.len().min(MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}
