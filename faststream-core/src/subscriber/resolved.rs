//! A subscriber with all settings resolved: variables replaced, defaults applied, durations parsed.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::{RetryTopic, SubscriberDef};
use crate::context::HandlerInfo;
use crate::policy::{AckPolicy, Commit, OnError, Order, Retry, Start};
use crate::topic_name::{dead_letters, selects};

/// A subscriber with all settings resolved. It holds everything that a lane has to know about its handler, resolved
/// once per lane.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The definition, as registered.
    pub def: &'static SubscriberDef,
    /// The name in logs, metrics and tests: the function's name.
    pub handler: Arc<str>,
    /// The consumer group.
    pub group: Arc<str>,
    /// The named broker; `None` is the default one.
    pub broker: Option<Arc<str>>,
    /// The topics that it reads.
    pub source: Source,
    /// Where the group begins in these topics if it never committed.
    pub start: Start,
    /// When a record is finished.
    pub ack: AckPolicy,
    /// Retries in place. With retry topics, they apply in the source topic and again in each retry topic.
    pub retry: Retry,
    /// The retry topics that a record moves to when its attempts in place are used up, by source and position.
    pub retry_topics: Arc<[RetryTopic]>,
    /// What happens to a record after the last attempt.
    pub on_error: OnError,
    /// What happens to a record that cannot be decoded.
    pub on_decode_error: OnError,
    /// The dead-letter topic, if one was named. Otherwise it is `{topic}-dlt`.
    pub dead_letter: Option<Arc<str>>,
    /// The order in which the records of one partition are handled.
    pub order: Order,
    /// How many calls may run at a time in one partition; 1 with `Order::Partition`.
    pub concurrency: usize,
    /// When the offsets of finished records are committed.
    pub commit: Commit,
    /// How long a call may take. A longer call is cancelled and counts as failed.
    pub timeout: Option<Duration>,
    /// How long a revocation or a shutdown waits for its calls.
    pub drain: Duration,
    /// The topics of its `#[publisher]`s, in order.
    pub publishes: Arc<[Arc<str>]>,
}

/// The topics that a subscriber reads.
#[derive(Debug, Clone)]
pub enum Source {
    /// Topics by name.
    Topics(Vec<Arc<str>>),
    /// Topics by pattern.
    Pattern(Arc<Regex>),
}

impl Subscriber {
    /// Returns whether it handles records of `topic`: one of its sources, or one of its retry topics.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        self.retry_topic(topic).is_some() || self.reads_first(topic)
    }

    /// Returns the topics that it reads by name; none if it reads by a pattern.
    #[must_use]
    pub fn sources(&self) -> &[Arc<str>] {
        match &self.source {
            Source::Topics(topics) => topics,
            Source::Pattern(_) => &[],
        }
    }

    /// Returns the retry topic of this name, if it belongs to this subscriber.
    #[must_use]
    pub fn retry_topic(&self, topic: &str) -> Option<&RetryTopic> {
        self.retry_topics.iter().find(|retry| *retry.name == *topic)
    }

    /// Returns the topic that a record of `topic` moves to when its attempts there are used up; `None` if there is no
    /// further retry topic.
    #[must_use]
    pub fn next_retry_topic(&self, topic: &str) -> Option<&RetryTopic> {
        let (source, stage) =
            self.retry_topic(topic).map_or((topic, 0), |retry| (&*retry.source, retry.stage + 1));
        self.retry_topics.iter().find(|retry| *retry.source == *source && retry.stage == stage)
    }

    /// Returns whether its records may become dead letters.
    #[must_use]
    pub fn writes_dead_letters(&self) -> bool {
        self.dead_letter.is_some()
            || self.on_error == OnError::DeadLetter
            || self.on_decode_error == OnError::DeadLetter
    }

    /// Returns what its extractors, plain calls and reports know of it. A lane asks once.
    pub(crate) fn info(&self) -> HandlerInfo {
        HandlerInfo {
            name: Arc::clone(&self.handler),
            group: Arc::clone(&self.group),
            pattern: match &self.source {
                Source::Topics(_) => None,
                Source::Pattern(pattern) => Some(Arc::clone(pattern)),
            },
            timeout: self.timeout,
            publishes: Arc::clone(&self.publishes),
        }
    }

    fn reads_first(&self, topic: &str) -> bool {
        match &self.source {
            Source::Topics(topics) => topics.iter().any(|name| **name == *topic),
            Source::Pattern(pattern) => selects(pattern, topic),
        }
    }

    /// Returns the topic for dead letters of records of `topic` (`OnError::DeadLetter`). Records of a retry topic go to
    /// the dead-letter topic of their source topic.
    #[must_use]
    pub fn dead_letter_topic(&self, topic: &str) -> Arc<str> {
        let source = self.retry_topic(topic).map_or(topic, |retry| &retry.source);
        self.dead_letter.clone().unwrap_or_else(|| dead_letters(source).into())
    }
}
