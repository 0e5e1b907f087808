//! The handle of the in-memory broker, and its side of the backend contract.
//!
//! The handle has no state of its own. A method takes the lock of the cluster for a short time, and never across
//! an `await`.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::agenda;
use super::client::{self, MemoryProducer};
use super::cluster::{ClusterState, Connection, SharedCluster};
use crate::TopicPartition;
use crate::broker::{
    BoxFuture, Broker, BrokerError, GroupMember, GroupRequest, Producer, SeekTo, TopicFault, TopicRequest,
    sealed,
};
use crate::context::IdleTracker;
use crate::log::{Time, info, reminded, warn};

/// How long a request for topics or for a backlog waits while the broker is disconnected. The Kafka backend waits
/// as long for the answer to a request.
const REQUEST: Duration = Duration::from_secs(10);
/// When every test begins by the broker's clock: 2020-01-01, in milliseconds of Unix time. A run repeats to the
/// millisecond, timestamps of records included.
pub(crate) const STARTED: i64 = 1_577_836_800_000;

/// The in-memory broker. A clone is another handle to the same broker.
///
/// A topic that does not exist is created when it is read or written, with one partition. Time passes in the
/// broker once it is used within a tokio runtime.
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
    /// Shared by all handles and producers. When the last one is dropped, the task of the agenda ends.
    connection: Arc<Connection>,
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBroker {
    /// Returns an empty broker, whose clock begins at the machine's time.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(Arc::default(), crate::app::unix_time())
    }

    /// Returns an empty broker that counts its work in progress in `idle`, together with others. For tests: its
    /// clock begins at a fixed time, 2020-01-01.
    #[must_use]
    pub fn with_idle_tracker(idle: Arc<IdleTracker>) -> Self {
        Self::starting_at(idle, STARTED)
    }

    /// Returns an empty broker whose clock shows `started` now, in milliseconds of Unix time.
    fn starting_at(idle: Arc<IdleTracker>, started: i64) -> Self {
        let shared = Arc::new(SharedCluster::new(idle, started));
        Self { connection: Arc::new(Connection(shared)) }
    }

    /// Returns the cluster, for the methods of `inspect` and `inject`.
    pub(super) fn shared(&self) -> &Arc<SharedCluster> {
        &self.connection.0
    }

    /// Starts the task of the agenda on the current tokio runtime, unless it runs. Outside a runtime nothing
    /// happens, so a test may create topics and append records before it starts one.
    ///
    /// Every method of the contract calls it first. An agenda that ended with its runtime is started again this
    /// way.
    fn start_agenda(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.shared().agenda_runs.swap(true, SeqCst) {
            runtime.spawn(agenda::run(&self.connection));
        }
    }

    /// Waits as a client waits for the answer to a request: returns at once while the broker is connected, else
    /// within `REQUEST`. `what` names the request in the error.
    async fn answers(&self, what: &str) -> Result<(), BrokerError> {
        if !self.shared().is_offline() {
            return Ok(());
        }
        let who = self.describe();
        let failed =
            |_| BrokerError::new(format!("{who}: {what} failed: no answer within {REQUEST:?}, disconnected"));
        timeout(REQUEST, self.shared().online()).await.map_err(failed)
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
        self.start_agenda();
        Box::pin(async {
            if !self.shared().is_offline() {
                return Ok(());
            }
            let who = self.describe();
            let remind = || warn!("{who} does not answer, waiting for it: disconnected");
            if let ((), Some(late)) = reminded(self.shared().online(), remind).await {
                info!("{who} answers after {}", Time::about(late));
            }
            Ok(())
        })
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        self.start_agenda();
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
        self.start_agenda();
        Box::pin(async {
            self.answers("asking for the topics").await?;
            Ok(self.topic_list().into_iter().collect())
        })
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
        self.start_agenda();
        let (group, topics) = (group.to_owned(), topics.to_vec());
        Box::pin(async move {
            self.answers("asking for the backlog").await?;
            let backlog = |state: &ClusterState, topic: String| {
                let records = state.backlog(&group, &topic);
                (topic, records)
            };
            Ok(self.shared().look(|state| topics.into_iter().map(|topic| backlog(state, topic)).collect()))
        })
    }

    fn find_offset(&self, tp: &TopicPartition, to: SeekTo) -> BoxFuture<'_, Result<i64, BrokerError>> {
        self.start_agenda();
        let tp = tp.clone();
        Box::pin(async move {
            self.answers("asking for an offset").await?;
            let log = self.shared().look(|state| state.log(&tp));
            let log = log.ok_or_else(|| BrokerError::new(format!("{tp} does not exist")))?;
            log.find(to).map_err(|range| {
                let (first, end) = range.into_inner();
                BrokerError::new(format!(
                    "{tp} has no {to}: its first offset is {first}, and it ends before {end}"
                ))
            })
        })
    }
}
