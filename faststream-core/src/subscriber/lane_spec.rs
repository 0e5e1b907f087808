//! What a lane has to do, whoever handles its records.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::RetryTopic;
use crate::policy::{Commit, Order, Start};
use crate::topic_name::selects;

/// The settings that belong to the lanes of a topic in one group, not to a single handler: which records come, in which
/// order, and when what is finished becomes durable.
#[derive(Debug, Clone)]
pub struct LaneSpec {
    /// The consumer group.
    pub group: Arc<str>,
    /// The named broker; `None` is the default one.
    pub broker: Option<Arc<str>>,
    /// The topics that are read.
    pub source: Source,
    /// Where the group begins in these topics if it never committed.
    pub start: Start,
    /// The order in which the records of one partition are handled.
    pub order: Order,
    /// How many calls may run at a time in one partition; 1 with `Order::Partition`.
    pub concurrency: usize,
    /// How the finished prefix becomes durable: when its offset is committed.
    pub commit: Commit,
    /// The retry topics that a record moves to when its attempts in place are used up, by source and position.
    pub retry_topics: Arc<[RetryTopic]>,
    /// How long a revocation or a shutdown waits for calls.
    pub drain: Duration,
}

/// The topics that a subscriber reads.
#[derive(Debug, Clone)]
pub enum Source {
    /// Topics by name.
    Topics(Vec<Arc<str>>),
    /// Topics by pattern.
    Pattern(Arc<Regex>),
}

impl LaneSpec {
    /// Returns whether records of `topic` come: it is one of the sources, or one of the retry topics.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        self.retry_topic(topic).is_some() || self.reads_first(topic)
    }

    /// Returns the topics that are read by name; none if they are selected by a pattern.
    #[must_use]
    pub fn sources(&self) -> &[Arc<str>] {
        match &self.source {
            Source::Topics(topics) => topics,
            Source::Pattern(_) => &[],
        }
    }

    /// Returns the pattern by which topics are selected; `None` if they are read by name.
    pub(crate) fn pattern(&self) -> Option<&Arc<Regex>> {
        match &self.source {
            Source::Topics(_) => None,
            Source::Pattern(pattern) => Some(pattern),
        }
    }

    /// Returns the retry topic of this name, if it is one of these.
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

    fn reads_first(&self, topic: &str) -> bool {
        match &self.source {
            Source::Topics(topics) => topics.iter().any(|name| **name == *topic),
            Source::Pattern(pattern) => selects(pattern, topic),
        }
    }
}
