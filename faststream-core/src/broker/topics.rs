//! The topics that an app writes to: retry topics, dead-letter topics, and topics of results.

use std::time::Duration;

use crate::policy::Provision;

/// A topic that has to exist before its first record is written, which may be when everything else fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRequest {
    /// The topic's name.
    pub topic: String,
    /// The topics whose records it receives: it gets as many partitions as the largest of them. If there are none, or
    /// none exists yet, it gets the broker's default number.
    pub sources: Vec<String>,
    /// What happens if it does not exist.
    pub provision: Provision,
    /// The purpose of its records.
    pub purpose: TopicPurpose,
}

/// The purpose of a topic's records, which decides what the topic must not do with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicPurpose {
    /// The records wait for `delay`. The topic has to keep them longer than that, and every record of a key.
    Retries {
        /// How long a record waits.
        delay: Duration,
    },
    /// The topic has to keep every record.
    DeadLetters,
    /// Results of handlers. Their topics belong to their readers: faststream never creates them, and a missing one does
    /// not prevent the startup.
    Results,
}

/// A topic that cannot be used as it is, and that waiting does not fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFault {
    /// The topic's name.
    pub topic: String,
    /// What is wrong.
    pub problem: TopicProblem,
}

/// What is wrong with a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicProblem {
    /// It does not exist, and was not created. The text is the broker's reason.
    Missing(String),
    /// It exists, and would lose records. The text says how, with the fix.
    Unfit(String),
}

impl TopicFault {
    /// Returns the fault of a topic that does not exist.
    pub fn missing(topic: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { topic: topic.into(), problem: TopicProblem::Missing(reason.into()) }
    }

    /// Returns the fault of a topic that would lose records.
    pub fn unfit(topic: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { topic: topic.into(), problem: TopicProblem::Unfit(reason.into()) }
    }
}
