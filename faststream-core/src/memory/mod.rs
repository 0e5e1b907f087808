//! The in-memory broker: a real Kafka in miniature, in virtual time, with faults by name.
//!
//! Partitions with logs, Kafka's partitioner, groups that rebalance cooperatively, a committer on a timer. No files, no
//! sockets. The same calls make the same run.

mod committer;
mod coordinator;
mod driver;
mod external;
mod faults;
mod inject;
mod lane;
mod log;
mod observer;
mod partitioner;
mod provision;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

#[cfg(feature = "testing")]
pub(crate) use coordinator::SESSION;
pub use external::ExternalMember;
pub use observer::{BrokerEvent, BrokerObserver};

use self::state::ClusterState;
use crate::TopicPartition;
use crate::broker::{
    Answer, BoxFuture, Broker, BrokerError, GroupMember, GroupRequest, Producer, PublishError, Published,
    TopicFault, TopicRequest,
};
use crate::delivery::OwnedRecord;
use crate::publish::Outgoing;
use crate::runtime::IdleTracker;

/// 2020-01-01, in milliseconds: when every test begins. A run repeats to the millisecond.
pub(crate) const STARTED: i64 = 1_577_836_800_000;

/// The in-memory broker. Cloning it gives another handle to the same one.
///
/// A topic that does not exist is made by being read or written, with one partition.
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    connection: Arc<Connection>,
}

/// All handles share one; the agenda's task ends with it.
#[derive(Debug)]
struct Connection(Arc<Shared>);

/// What handles, lanes and tasks share.
#[derive(Debug)]
struct Shared {
    state: Mutex<ClusterState>,
    /// The agenda changed.
    wake: Arc<Notify>,
    idle: Arc<IdleTracker>,
    offline: AtomicBool,
    /// A read is to panic.
    broken_reads: AtomicBool,
    agenda_runs: AtomicBool,
    began: Instant,
    /// Unix time of that moment, in milliseconds.
    started: AtomicI64,
    /// The same by the machine's clock, which is another one than that of a test.
    made: i64,
    observe: OnceLock<Watcher>,
}

/// Who is told of everything.
struct Watcher(Arc<dyn BrokerObserver>);

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
        let shared = Shared {
            state: Mutex::new(ClusterState::new()),
            wake: Arc::default(),
            idle,
            offline: AtomicBool::new(false),
            broken_reads: AtomicBool::new(false),
            agenda_runs: AtomicBool::new(false),
            began: Instant::now(),
            started: AtomicI64::new(started),
            made: crate::app::unix_time(),
            observe: OnceLock::new(),
        };
        Self { connection: Arc::new(Connection(Arc::new(shared))) }
    }

    /// What counts as settled: to be shared with the app that runs on this broker.
    #[must_use]
    pub fn idle(&self) -> Arc<IdleTracker> {
        Arc::clone(&self.shared().idle)
    }

    /// From now on its clock says what it says in every test, so that a run repeats to the millisecond.
    #[cfg(feature = "testing")]
    pub(crate) fn start_as_in_every_test(&self) {
        self.shared().started.store(STARTED, Relaxed);
    }

    /// Unix time in milliseconds, by its clock.
    #[cfg(feature = "testing")]
    pub(crate) fn now_ms(&self) -> i64 {
        self.shared().now_ms()
    }

    /// Asks for a commit of what each member has stored.
    #[cfg(feature = "testing")]
    pub(crate) fn commit_now(&self) {
        self.shared().change(|state, shared| {
            for (group, id) in state.members() {
                committer::request(state, shared, &group, id);
            }
        });
    }

    /// Whether a member has stored something that is not committed.
    #[cfg(feature = "testing")]
    pub(crate) fn has_uncommitted(&self) -> bool {
        self.shared().look(ClusterState::has_uncommitted)
    }

    /// Makes a topic. Nothing happens if it exists.
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.shared().change(|state, shared| {
            if state.create_topic(topic, partitions) {
                state.balance_all(shared);
            }
        });
    }

    /// Gives a topic this many partitions, also while it is read; makes it if it does not exist. As in Kafka, partitions
    /// are never taken away.
    pub fn add_partitions(&self, topic: &str, partitions: i32) {
        self.shared().change(|state, shared| {
            if state.create_topic(topic, partitions) || state.add_partitions(topic, partitions) {
                state.balance_all(shared);
            }
        });
    }

    /// Appends a record at once, past faults.
    ///
    /// # Errors
    /// If it names a partition that does not exist, or a header with a NUL byte in its name.
    pub fn append(&self, record: Outgoing) -> Result<Published, PublishError> {
        let log = self.shared().log_for(&record)?;
        let published = self.shared().append_in(&log, record);
        self.shared().idle.notify();
        Ok(published)
    }

    /// Tells everything that happens here to `observe`. The first watcher stays.
    pub fn observe(&self, observe: Arc<dyn BrokerObserver>) {
        let _ = self.shared().observe.set(Watcher(observe));
    }

    /// The records of a topic with their partitions, in their order; empty if it does not exist.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<(i32, OwnedRecord)> {
        let logs = self.shared().look(|state| state.topics.get(topic).cloned().unwrap_or_default());
        let all = logs.iter().flat_map(|log| log.all().into_iter().map(|stored| (log.partition, stored)));
        all.map(|(partition, stored)| (partition, stored.borrow(partition).to_owned_record())).collect()
    }

    /// The topics that exist, with their number of partitions.
    #[must_use]
    pub fn topic_list(&self) -> BTreeMap<String, i32> {
        let count = |logs: &Vec<_>| i32::try_from(logs.len()).unwrap_or(i32::MAX);
        self.shared()
            .look(|state| state.topics.iter().map(|(topic, logs)| (topic.to_string(), count(logs))).collect())
    }

    /// Whether the topic exists.
    #[must_use]
    pub fn has_topic(&self, topic: &str) -> bool {
        self.shared().look(|state| state.topics.contains_key(topic))
    }

    /// The next offsets that a group committed, by partition; empty if it never did.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.shared().look(|state| {
            let committed = state.groups.get(group).into_iter().flat_map(|group| &group.committed);
            committed.filter(|(tp, _)| *tp.topic == *topic).map(|(tp, next)| (tp.partition, *next)).collect()
        })
    }

    /// Retention: the records of a partition before `offset` are gone.
    pub fn truncate_before(&self, topic: &str, partition: i32, offset: i64) {
        self.shared().change(|state, _| {
            let tp = TopicPartition::new(topic, partition);
            if let Some(log) = state.log(&tp) {
                log.truncate_before(offset);
                state.notify_expired(&tp, log.start());
            }
        });
    }

    /// Waits until everything that was published, and all that followed from it, has settled.
    pub async fn settled(&self) {
        self.shared().idle.wait(|| self.has_unseen()).await;
    }

    /// Whether something is in a log that no handler has been handed.
    #[must_use]
    pub fn has_unseen(&self) -> bool {
        self.shared().look(ClusterState::unseen)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.connection.0
    }

    fn start_agenda(&self) {
        if !self.shared().agenda_runs.swap(true, SeqCst) {
            let wake = Arc::clone(&self.shared().wake);
            tokio::spawn(driver::agenda(Arc::downgrade(&self.connection), wake));
        }
    }
}

impl Shared {
    /// Looks, and tells nobody.
    fn look<R>(&self, look: impl FnOnce(&ClusterState) -> R) -> R {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes something, and tells whoever waits for it.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut ClusterState, &Arc<Self>) -> R) -> R {
        let result = self.change_by_clock(change);
        self.wake.notify_one();
        result
    }

    /// As `change`, by the agenda's task itself, which must not wake itself.
    fn change_by_clock<R>(self: &Arc<Self>, change: impl FnOnce(&mut ClusterState, &Arc<Self>) -> R) -> R {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), self);
        self.idle.notify();
        result
    }

    fn is_offline(&self) -> bool {
        self.offline.load(SeqCst)
    }

    fn set_offline(&self, offline: bool) {
        self.offline.store(offline, SeqCst);
    }

    /// Unix time in milliseconds, by tokio's clock.
    fn now_ms(&self) -> i64 {
        self.started.load(Relaxed).saturating_add(self.passed_ms())
    }

    /// The later one of the test's clock and the machine's: code under test takes its time from either.
    fn latest_now_ms(&self) -> i64 {
        self.now_ms().max(self.made.saturating_add(self.passed_ms()))
    }

    fn passed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Where a record goes; makes the topic if there is none.
    fn log_for(self: &Arc<Self>, record: &Outgoing) -> Result<Arc<log::PartitionLog>, PublishError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ensure_topic(self, &record.topic);
        state.log_for(record)
    }

    fn append_in(&self, log: &log::PartitionLog, record: Outgoing) -> Published {
        let (partition, watched) = (log.partition, self.observe.get().map(|_| record.clone()));
        let offset = log.append(record, self.now_ms());
        if let Some(record) = &watched {
            self.tell(&BrokerEvent::Appended { partition, offset, record });
        }
        Published { partition, offset }
    }

    /// Appends on behalf of the app: faults apply.
    fn append_to(&self, state: &mut ClusterState, record: Outgoing) -> Result<Published, PublishError> {
        if let Some(error) = state.faults.publish(&record.topic) {
            self.tell(&BrokerEvent::Refused { record: &record, error: &error });
            return Err(error);
        }
        record.check()?;
        state::check_future(&record, self.latest_now_ms())?;
        let log = state.log_for(&record)?;
        Ok(self.append_in(&log, record))
    }

    /// What was published and did not arrive yet, in its order.
    fn let_publishes_through(&self, state: &mut ClusterState) {
        if state.are_publishes_delayed() {
            return;
        }
        for (record, answer) in std::mem::take(&mut state.delayed) {
            answer.give(self.append_to(state, record));
        }
        state.flushes.clear();
    }

    /// Whether the read that is about to happen is to panic.
    fn is_read_broken(self: &Arc<Self>) -> bool {
        // One load in the usual case.
        self.broken_reads.load(SeqCst)
            && self.change(|state, shared| {
                let hit = state.faults.read();
                shared.broken_reads.store(state.faults.reads > 0, SeqCst);
                hit
            })
    }

    fn tell(&self, event: &BrokerEvent<'_>) {
        if let Some(Watcher(observe)) = self.observe.get() {
            observe.seen(event);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.wake.notify_one();
    }
}

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
        Ok(Arc::new(self.clone()))
    }

    fn join(&self, request: GroupRequest, member: Box<dyn GroupMember>) -> Result<(), BrokerError> {
        self.start_agenda();
        let group = Arc::clone(&request.group);
        let shared = Arc::clone(self.shared());
        let (id, inbox) = self.shared().change(|state, shared| state.join(shared, request, false));
        tokio::spawn(driver::drive(shared, group, id, inbox, member));
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

impl Producer for MemoryBroker {
    fn enqueue(&self, record: &Outgoing, answer: Answer) -> Option<Result<Published, PublishError>> {
        // Not `change`: no publish wakes the agenda.
        self.shared().change_by_clock(|state, shared| {
            state.ensure_topic(shared, &record.topic);
            // None overtakes those that are late.
            if !state.are_publishes_delayed() && state.delayed.is_empty() {
                answer.spare();
                return Some(shared.append_to(state, record.clone()));
            }
            state.delayed.push((record.clone(), answer));
            None
        })
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        let waits = self.shared().change_by_clock(|state, _| {
            let (answer, arrived) = oneshot::channel();
            (!state.delayed.is_empty()).then(|| {
                state.flushes.push(answer);
                arrived
            })
        });
        Box::pin(async {
            if let Some(arrived) = waits {
                let _ = arrived.await;
            }
        })
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}
