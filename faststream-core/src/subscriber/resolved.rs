//! A subscriber with everything decided: variables replaced, defaults applied, durations parsed.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::SubscriberDef;
use crate::broker::selects;
use crate::policy::{AckPolicy, Commit, OnError, Order, Retry, Start};

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
    /// Retries in place.
    pub retry: Retry,
    /// What becomes of a record when retries ran out.
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
    /// Whether it handles records of `topic`.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        match &self.source {
            Source::Topics(topics) => topics.iter().any(|name| **name == *topic),
            Source::Pattern(pattern) => selects(pattern, topic),
        }
    }

    /// Where records of `topic` go that are given up on with `DeadLetter`.
    #[must_use]
    pub fn dead_letter_topic(&self, topic: &str) -> Arc<str> {
        self.dead_letter.clone().unwrap_or_else(|| format!("{topic}-dlt").into())
    }
}
