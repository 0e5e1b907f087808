//! The topics that an app writes to: retry topics, dead-letter topics, and those of its results.

use std::time::Duration;

use crate::policy::Provision;

/// A topic that has to exist before its first record is written, which may be when everything else fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRequest {
    /// Its name.
    pub topic: String,
    /// The topics whose records it is for: it gets as many partitions as the largest of them. The broker's own number if
    /// there is none, or none exists yet.
    pub sources: Vec<String>,
    /// What happens if it does not exist.
    pub provision: Provision,
    /// What its records are.
    pub purpose: TopicPurpose,
}

/// What the records of a topic are, and so what it must not do with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicPurpose {
    /// They wait for so long: the topic has to keep them for longer, and each of a key.
    Retries {
        /// How long a record waits.
        delay: Duration,
    },
    /// Each has to be kept.
    DeadLetters,
    /// Results of handlers. Their topics belong to those who read them: they are never made, and if one is missing, that
    /// is no reason not to start.
    Results,
}

/// A topic that cannot be used as it is, and will not by waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFault {
    /// Its name.
    pub topic: String,
    /// What is wrong.
    pub problem: TopicProblem,
}

/// What is wrong with a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicProblem {
    /// It does not exist, and was not made: what the broker said.
    Missing(String),
    /// It exists, and would lose records: what it does, with the cure.
    Unfit(String),
}

impl TopicFault {
    /// A topic that does not exist.
    pub fn missing(topic: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { topic: topic.into(), problem: TopicProblem::Missing(reason.into()) }
    }

    /// A topic that would lose records.
    pub fn unfit(topic: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { topic: topic.into(), problem: TopicProblem::Unfit(reason.into()) }
    }
}
