//! The past of a record in a retry topic, and when the record may be handed out again.
//!
//! It reads the headers that the runtime wrote, without the code of the runtime that reads them, and checks that
//! they are true: such a copy has a failed call before it, with as many attempts, and a due time that is the
//! topic's delay after it.

use crate::TopicPartition;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::checker::Model;
use super::content::Content;
use super::log_index::LogIndex;
use super::model::LaneModel;
use super::promise::Promise;
use crate::memory::STARTED;
use crate::record::Outgoing;

/// The past of a retry copy, from its headers.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// The partition in which it was read first.
    pub(super) original: TopicPartition,
    /// Its record offset there.
    pub(super) at: i64,
    /// How many attempts it had so far, in all stages.
    pub(super) attempts: u32,
    /// When it is due, in milliseconds of Unix time.
    pub(super) due: i64,
}

/// What identifies one retry copy of a record: where it moves, where it came from first, after how many attempts.
#[derive(Debug, Hash)]
pub(super) struct CopyStep {
    /// The retry topic.
    pub(super) topic: Arc<str>,
    /// The partition in which the record was read first.
    pub(super) original: TopicPartition,
    /// Its record offset there.
    pub(super) at: i64,
    /// How many attempts it had so far, in all stages.
    pub(super) attempts: u32,
}

impl History {
    /// Returns the past of a record; `None` if a header is missing or invalid.
    pub(super) fn of(record: &Outgoing) -> Option<Self> {
        let text = |name: &str| {
            let (_, value) = record.headers.iter().find(|(key, _)| key == name.as_bytes())?;
            std::str::from_utf8(value.as_deref()?).ok()
        };
        Some(Self {
            original: TopicPartition::new(
                text("retry-original-topic")?,
                text("retry-original-partition")?.parse().ok()?,
            ),
            at: text("retry-original-offset")?.parse().ok()?,
            attempts: text("retry-attempts")?.parse().ok()?,
            due: text("retry-due")?.parse().ok()?,
        })
    }

    /// Returns the step that put this copy into `topic`.
    pub(super) fn step(&self, topic: Arc<str>) -> CopyStep {
        CopyStep { topic, original: self.original.clone(), at: self.at, attempts: self.attempts }
    }

    /// Returns how long it still has to wait; zero if it is due. `began` is the begin of the run.
    pub(super) fn left(&self, began: Instant) -> Duration {
        let due = Duration::from_millis(u64::try_from(self.due - STARTED).unwrap_or(0));
        due.saturating_sub(began.elapsed())
    }
}

impl LaneModel {
    /// Returns how many attempts a record had before it came to this partition; 0 outside retry topics.
    pub(super) fn attempts_before(&self, offset: i64, log_index: &LogIndex) -> u32 {
        let is_retry_topic = self.subscriber.spec.retry_topic(&self.tp.topic).is_some();
        log_index.history(&self.tp, offset).filter(|_| is_retry_topic).map_or(0, |history| history.attempts)
    }

    /// Returns how long a record of a retry topic still has to wait; zero in other topics.
    pub(super) fn waits(&self, offset: i64, log_index: &LogIndex, began: Instant) -> Duration {
        let is_retry_topic = self.subscriber.spec.retry_topic(&self.tp.topic).is_some();
        let history = log_index.history(&self.tp, offset).filter(|_| is_retry_topic);
        history.map_or(Duration::ZERO, |history| history.left(began))
    }

    /// Returns the content of the copy that this record leaves in the next retry topic if it fails after
    /// `attempts` attempts; `None` if it has none.
    pub(super) fn next_step(&self, offset: i64, attempts: u32, log_index: &LogIndex) -> Option<Content> {
        let next = self.subscriber.spec.next_retry_topic(&self.tp.topic)?;
        log_index.next_step(&self.tp, offset, Arc::clone(&next.name), attempts)
    }
}

impl Model {
    /// Notes that a call ended which may move its record to the next stage. The delay counts from now at the
    /// earliest.
    pub(super) fn may_go_on(&mut self, step: Content) {
        self.steps.entry(step).or_insert_with(Instant::now);
    }

    /// Checks a copy that was appended to a retry topic: some call must have failed for it, with as many attempts,
    /// and it must be due the topic's delay after that. Records without these headers come from somebody else, and
    /// are not checked.
    pub(super) fn reached_retry_topic(&mut self, record: &Outgoing) {
        let retry = self.subscribers.iter().find_map(|subscriber| subscriber.spec.retry_topic(&record.topic));
        let Some((name, delay)) = retry.map(|retry| (Arc::clone(&retry.name), retry.delay)) else { return };
        // A record without these headers was put there by somebody else.
        let (Some(history), Some(step)) = (History::of(record), LogIndex::step_of(record)) else { return };
        let Some(failed) = self.steps.get(&step).copied() else {
            let message = format!(
                "{name}: a copy of {} offset {} says that it failed {} times, and differs from what failed so often",
                history.original, history.at, history.attempts
            );
            return self.violated(Promise::DelaysKept, message);
        };
        // The header has whole milliseconds.
        let least = i64::try_from((failed - self.began + delay).as_millis()).unwrap_or(i64::MAX);
        let most = i64::try_from((self.began.elapsed() + delay).as_millis()).unwrap_or(i64::MAX);
        let due = history.due - STARTED;
        if due < least || due > most.saturating_add(1) {
            let message = format!(
                "{name}: a copy of {} offset {} is due at {due} ms; it failed {delay:?} before {least} ms at the \
                 earliest, and came {delay:?} before {most} ms",
                history.original, history.at
            );
            self.violated(Promise::DelaysKept, message);
        }
    }
}
