//! A subscriber with everything decided: variables replaced, defaults applied, durations parsed.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::{RetryTopic, SubscriberDef};
use crate::policy::{AckPolicy, Commit, OnError, Order, Retry, Start};
use crate::topic_name::{dead_letters, selects};

/// A subscriber with everything decided. What a lane has to know about its handler, resolved once per lane.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// As registered.
    pub def: &'static SubscriberDef,
    /// What logs, metrics and tests call it: the function's name.
    pub handler: Arc<str>,
    /// The consumer group.
    pub group: Arc<str>,
    /// The named broker; `None` is the default one.
    pub broker: Option<Arc<str>>,
    /// What it reads.
    pub source: Source,
    /// Where the topics' group begins if it never committed.
    pub start: Start,
    /// When a record is finished.
    pub ack: AckPolicy,
    /// Retries in place; with retry topics, at the source and again in each of them.
    pub retry: Retry,
    /// Where a record goes on when its attempts in place ran out, by source and stage.
    pub retry_topics: Arc<[RetryTopic]>,
    /// What becomes of a record when all retries ran out.
    pub on_error: OnError,
    /// What becomes of a record that cannot be decoded.
    pub on_decode_error: OnError,
    /// The dead-letter topic, if one was named; else it is `{topic}-dlt`.
    pub dead_letter: Option<Arc<str>>,
    /// What must not overtake what.
    pub order: Order,
    /// Calls at a time in one partition; 1 with `Order::Partition`.
    pub concurrency: usize,
    /// When finished becomes durable.
    pub commit: Commit,
    /// A longer call is cancelled and counts as failed.
    pub timeout: Option<Duration>,
    /// What a revocation or stop waits for it.
    pub drain: Duration,
    /// Topics of its `#[publisher]`s, in order.
    pub publishes: Arc<[Arc<str>]>,
}

/// What a subscriber reads.
#[derive(Debug, Clone)]
pub enum Source {
    /// Topics by name.
    Topics(Vec<Arc<str>>),
    /// Topics by pattern.
    Pattern(Regex),
}

impl Subscriber {
    /// Whether it handles records of `topic`: one of its sources, or one of its retry topics.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        self.retry_topic(topic).is_some() || self.reads_first(topic)
    }

    /// The topics that it reads by name; none if it reads by a pattern.
    #[must_use]
    pub fn sources(&self) -> &[Arc<str>] {
        match &self.source {
            Source::Topics(topics) => topics,
            Source::Pattern(_) => &[],
        }
    }

    /// The retry topic of this name, if it is one of this subscriber's.
    #[must_use]
    pub fn retry_topic(&self, topic: &str) -> Option<&RetryTopic> {
        self.retry_topics.iter().find(|retry| *retry.name == *topic)
    }

    /// Where a record of `topic` goes on when its attempts there ran out; `None` if that was the last stage.
    #[must_use]
    pub fn next_retry_topic(&self, topic: &str) -> Option<&RetryTopic> {
        let (source, stage) =
            self.retry_topic(topic).map_or((topic, 0), |retry| (&*retry.source, retry.stage + 1));
        self.retry_topics.iter().find(|retry| *retry.source == *source && retry.stage == stage)
    }

    /// Whether dead letters may come of its records.
    #[must_use]
    pub fn writes_dead_letters(&self) -> bool {
        self.dead_letter.is_some()
            || self.on_error == OnError::DeadLetter
            || self.on_decode_error == OnError::DeadLetter
    }

    fn reads_first(&self, topic: &str) -> bool {
        match &self.source {
            Source::Topics(topics) => topics.iter().any(|name| **name == *topic),
            Source::Pattern(pattern) => selects(pattern, topic),
        }
    }

    /// Where records of `topic` go that are given up on with `DeadLetter`; those of a retry topic go where those of its
    /// source do.
    #[must_use]
    pub fn dead_letter_topic(&self, topic: &str) -> Arc<str> {
        let source = self.retry_topic(topic).map_or(topic, |retry| &retry.source);
        self.dead_letter.clone().unwrap_or_else(|| dead_letters(source).into())
    }
}
