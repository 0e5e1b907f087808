//! The topics that an app needs besides those that it reads: retry topics and dead-letter topics.

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
}

/// A topic that does not exist, and will not by waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTopic {
    /// Its name.
    pub topic: String,
    /// Why it was not made: what the broker said, with the cure.
    pub reason: String,
}
