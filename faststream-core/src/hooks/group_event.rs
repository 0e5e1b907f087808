//! What the hooks of a group are notified of.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::CommitClass;

/// Partitions that a member of a group starts or stops reading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rebalance {
    /// The consumer group.
    pub group: Arc<str>,
    /// The partitions, by topic and number.
    pub partitions: Vec<GroupPartition>,
}

/// One partition of a rebalance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct GroupPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The next offset: where reading begins, or the offset before which everything is finished.
    pub offset: i64,
}

/// A failed commit of one partition. Delivery continues. The class says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitFailure {
    /// The consumer group.
    pub group: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The next offset that was to be committed.
    pub offset: i64,
    /// The class of the failure. Transient failures are retried automatically.
    pub class: CommitClass,
    /// The code's name and text.
    pub error: String,
    /// How long finished records of this group have been uncommitted; zero at the first failure.
    pub dirty_for: Duration,
}
