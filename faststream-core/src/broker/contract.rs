//! What a backend does for the runtime.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{BrokerError, GroupMember, GroupRequest, Producer, TopicFault, TopicRequest, sealed};

/// A boxed future that can be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where messages come from and go to. Sealed until 1.0: only the backends of this project implement it, because the
/// contract still grows.
///
/// Making one never connects and never fails; what is wrong with its settings is told by [`check`](Broker::check).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a broker",
    label = "not a broker",
    note = "write `Kafka::new(\"localhost:9092\")`, or `Kafka::from_env()`, with `use faststream::kafka::Kafka;`"
)]
pub trait Broker: sealed::Sealed + Any + fmt::Debug + Send + Sync {
    /// What logs call it, with the address: `kafka at localhost:9092`, `the in-memory broker`.
    fn describe(&self) -> String;

    /// Sets a property over whoever else sets it: `-X key=value`. Only before the broker is used.
    ///
    /// # Errors
    /// If this broker has no properties.
    fn override_property(&mut self, key: &str, _value: &str) -> Result<(), BrokerError> {
        Err(BrokerError::new(format!("{} has no properties: {key} cannot be set", self.describe())))
    }

    /// Everything that is wrong with the settings, found without connecting: one sentence each, with the cure.
    fn check(&self, groups: &[GroupRequest]) -> Vec<String>;

    /// Resolves once the broker answered for the first time.
    ///
    /// While it does not, it says so within 2 s, naming the address and the setting, then once a minute, and goes on
    /// trying. Fails only on what waiting cannot cure. Dropping the future stops the waiting.
    fn connect(&self) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// The producer. One for the process; made at the first call.
    ///
    /// # Errors
    /// If the client library refuses the settings.
    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError>;

    /// Joins a group and returns at once. The backend drives `member` until it is finished.
    ///
    /// Called inside a tokio runtime. Dropping the member without `Event::Closed` is a crash of it.
    ///
    /// # Errors
    /// If the client library refuses the settings; `member` is dropped then.
    fn join(&self, request: GroupRequest, member: Box<dyn GroupMember>) -> Result<(), BrokerError>;

    /// The topics that exist, with their number of partitions.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<(String, i32)>, BrokerError>>;

    /// Makes or verifies topics, and returns those that do not exist and will not, and those that would lose records. A
    /// topic that exists is left as it is. When this returns, a member that joins finds them. Topics of results are not made;
    /// one is returned if it does not exist and the broker does not make it at its first record, or shall not.
    ///
    /// What it made, it makes again if somebody deletes it while the app runs.
    ///
    /// # Errors
    /// If the broker did not answer, or trying again may help for another reason. The caller does.
    fn ensure_topics(&self, wanted: &[TopicRequest]) -> BoxFuture<'_, Result<Vec<TopicFault>, BrokerError>>;

    /// How many records of each of these topics the group has not committed.
    ///
    /// # Errors
    /// If the broker did not answer.
    fn backlog(
        &self,
        group: &str,
        topics: &[String],
    ) -> BoxFuture<'_, Result<Vec<(String, u64)>, BrokerError>>;
}
