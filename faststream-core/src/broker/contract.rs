//! The operations of a backend that the runtime uses.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{BrokerError, GroupMember, GroupRequest, Producer, SeekTo, TopicFault, TopicRequest, sealed};
use crate::TopicPartition;

/// A boxed future that can be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A source and destination of records. Sealed until 1.0: only the backends of this project implement it, because the
/// contract still grows.
///
/// Creating one never connects and never fails. [`check`](Broker::check) reports what is wrong with its settings.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a broker",
    label = "not a broker",
    note = "write `Kafka::new(\"localhost:9092\")`, or `Kafka::from_env()`, with `use faststream::kafka::Kafka;`"
)]
pub trait Broker: sealed::Sealed + Any + fmt::Debug + Send + Sync {
    /// Returns the name in logs, with the address: `kafka at localhost:9092`, `the in-memory broker`.
    fn describe(&self) -> String;

    /// Sets a property with precedence over every other source: `-X key=value`. Call it only before the broker is used.
    ///
    /// # Errors
    /// If this broker has no properties.
    fn override_property(&mut self, key: &str, _value: &str) -> Result<(), BrokerError> {
        Err(BrokerError::new(format!("{} has no properties: {key} cannot be set", self.describe())))
    }

    /// Returns everything that is wrong with the settings, without connecting: one sentence each, with the fix.
    fn check(&self, groups: &[GroupRequest]) -> Vec<String>;

    /// Resolves once the broker has answered for the first time.
    ///
    /// While the broker does not answer, the backend logs that within 2 s, with the address and the setting, then once
    /// a minute, and keeps trying. It fails only with errors that waiting cannot fix. Dropping the future stops the
    /// wait.
    fn connect(&self) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Returns the producer. There is one for the process, created by the first call.
    ///
    /// # Errors
    /// If the client library refuses the settings.
    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError>;

    /// Joins a group and returns at once. The backend drives `member` until it is finished.
    ///
    /// Call it inside a tokio runtime. Dropping the member without `Event::Closed` counts as a crash of the member.
    ///
    /// # Errors
    /// If the client library refuses the settings; `member` is then dropped.
    fn join(&self, request: GroupRequest, member: Box<dyn GroupMember>) -> Result<(), BrokerError>;

    /// Returns the topics that exist, with their number of partitions.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<(String, i32)>, BrokerError>>;

    /// Creates or verifies topics. Returns the topics that do not exist and will not be created, and those that would
    /// lose records. An existing topic stays unchanged. When this returns, a member that joins finds the topics. Topics
    /// of results are not created; one is returned if it does not exist and the broker does not create it at its first
    /// record, or must not.
    ///
    /// If somebody deletes a topic that it created while the app runs, it recreates the topic.
    ///
    /// # Errors
    /// If the broker did not answer, or if a retry may help for another reason. The caller retries.
    fn ensure_topics(&self, wanted: &[TopicRequest]) -> BoxFuture<'_, Result<Vec<TopicFault>, BrokerError>>;

    /// Returns how many records of each of these topics the group has not committed.
    ///
    /// # Errors
    /// If the broker did not answer.
    fn backlog(
        &self,
        group: &str,
        topics: &[String],
    ) -> BoxFuture<'_, Result<Vec<(String, u64)>, BrokerError>>;

    /// Returns the next offset with which a lane of this partition begins after a seek to `to`.
    ///
    /// # Errors
    /// If there is no such partition, if the offset is before the first record or after the end, or if the broker did
    /// not answer. The message names the partition.
    fn find_offset(&self, tp: &TopicPartition, to: SeekTo) -> BoxFuture<'_, Result<i64, BrokerError>>;
}
