//! The handle of the in-memory broker, and the contract that it keeps.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::agenda;
use super::client::{self, MemoryProducer};
use super::cluster::{ClusterState, Connection, SharedCluster};
use crate::broker::{
    BoxFuture, Broker, BrokerError, GroupMember, GroupRequest, Producer, TopicFault, TopicRequest, sealed,
};
use crate::runtime::IdleTracker;

/// 2020-01-01, in milliseconds: when every test begins. A run repeats to the millisecond.
pub(crate) const STARTED: i64 = 1_577_836_800_000;

/// The in-memory broker. Cloning it gives another handle to the same one.
///
/// A topic that does not exist is made by being read or written, with one partition.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::{CommitClass, FastStream, Outgoing, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64) {}
///
/// # faststream::testing::run(false, || async {
/// let broker = MemoryBroker::new();
/// broker.create_topic("orders", 3);
/// broker.append(Outgoing::new("orders", "1")).expect("the topic accepts it");
/// broker.fail_commits(CommitClass::Transient, 2);
/// let app = FastStream::new(broker.clone()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.advance(Duration::from_secs(10)).await;
/// assert_eq!(broker.committed("billing", "orders").values().sum::<i64>(), 1);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    connection: Arc<Connection>,
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBroker {
    /// An empty broker.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(Arc::default(), crate::app::unix_time())
    }

    /// An empty broker that shares what counts as settled with others, for tests: its clock begins at a fixed time.
    #[must_use]
    pub fn with_idle_tracker(idle: Arc<IdleTracker>) -> Self {
        Self::starting_at(idle, STARTED)
    }

    fn starting_at(idle: Arc<IdleTracker>, started: i64) -> Self {
        let shared = Arc::new(SharedCluster::new(idle, started));
        Self { connection: Arc::new(Connection(shared)) }
    }

    pub(super) fn shared(&self) -> &Arc<SharedCluster> {
        &self.connection.0
    }

    fn start_agenda(&self) {
        if !self.shared().agenda_runs.swap(true, SeqCst) {
            let wake = Arc::clone(&self.shared().wake);
            tokio::spawn(agenda::run(Arc::downgrade(&self.connection), wake));
        }
    }
}

impl sealed::Sealed for MemoryBroker {}

#[diagnostic::do_not_recommend]
impl Broker for MemoryBroker {
    fn describe(&self) -> String {
        "the in-memory broker".into()
    }

    fn check(&self, _groups: &[GroupRequest]) -> Vec<String> {
        Vec::new()
    }

    fn connect(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        Ok(Arc::new(MemoryProducer::new(Arc::clone(&self.connection))))
    }

    fn join(&self, request: GroupRequest, member: Box<dyn GroupMember>) -> Result<(), BrokerError> {
        self.start_agenda();
        let group = Arc::clone(&request.group);
        let shared = Arc::clone(self.shared());
        let (id, inbox) = self.shared().change(|state, shared| state.join(shared, request, false));
        tokio::spawn(client::drive(shared, group, id, inbox, member));
        Ok(())
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<(String, i32)>, BrokerError>> {
        Box::pin(std::future::ready(Ok(self.topic_list().into_iter().collect())))
    }

    fn ensure_topics(&self, wanted: &[TopicRequest]) -> BoxFuture<'_, Result<Vec<TopicFault>, BrokerError>> {
        self.start_agenda();
        let provided = self.shared().change(|state, shared| {
            let provided = state.provide(wanted);
            state.balance_all(shared);
            provided
        });
        Box::pin(std::future::ready(provided))
    }

    fn backlog(
        &self,
        group: &str,
        topics: &[String],
    ) -> BoxFuture<'_, Result<Vec<(String, u64)>, BrokerError>> {
        let backlog = |state: &ClusterState| {
            topics.iter().map(|topic| (topic.clone(), state.backlog(group, topic))).collect::<Vec<_>>()
        };
        Box::pin(std::future::ready(Ok(self.shared().look(backlog))))
    }
}
