//! The in-memory broker: a real Kafka in miniature, in virtual time, with faults by name.
//!
//! Partitions with logs, Kafka's partitioner, groups that rebalance cooperatively, a committer on a timer. No files, no
//! sockets. The same calls make the same run.

mod committer;
mod coordinator;
mod driver;
mod faults;
mod foreign;
mod lane;
mod log;
mod partitioner;
mod provision;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

#[cfg(feature = "testing")]
pub(crate) use coordinator::SESSION;
pub use foreign::ForeignMember;

use self::state::{Due, State};
use crate::broker::{
    BoxFuture, Broker, BrokerError, CommitClass, GroupRequest, MissingTopic, Producer, PublishError,
    Published, Receipt, TopicRequest,
};
use crate::delivery::OwnedRecord;
use crate::publish::Outgoing;
use crate::runtime::{Member, Quiet};

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
    state: Mutex<State>,
    /// The agenda changed.
    wake: Arc<Notify>,
    quiet: Arc<Quiet>,
    offline: AtomicBool,
    agenda_runs: AtomicBool,
    began: Instant,
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
        Self::with_quiet(Arc::default())
    }

    /// An empty broker that shares what counts as settled with others.
    #[must_use]
    pub fn with_quiet(quiet: Arc<Quiet>) -> Self {
        let shared = Shared {
            state: Mutex::new(State::new()),
            wake: Arc::default(),
            quiet,
            offline: AtomicBool::new(false),
            agenda_runs: AtomicBool::new(false),
            began: Instant::now(),
        };
        Self { connection: Arc::new(Connection(Arc::new(shared))) }
    }

    /// What counts as settled: to be shared with the app that runs on this broker.
    #[must_use]
    pub fn quiet(&self) -> Arc<Quiet> {
        Arc::clone(&self.shared().quiet)
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
    /// If it names a partition that does not exist.
    pub fn append(&self, record: Outgoing) -> Result<Published, PublishError> {
        let log = self.shared().log_for(&record)?;
        let published =
            Published { partition: log.partition, offset: log.append(record, self.shared().now_ms()) };
        self.shared().quiet.nudge();
        Ok(published)
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
            committed
                .filter(|((name, _), _)| **name == *topic)
                .map(|((_, partition), next)| (*partition, *next))
                .collect()
        })
    }

    /// Retention: the records of a partition before `offset` are gone.
    pub fn truncate_before(&self, topic: &str, partition: i32, offset: i64) {
        let log = self.shared().look(|state| state.log(&(topic.into(), partition)));
        if let Some(log) = log {
            log.truncate_before(offset);
        }
    }

    /// Waits until everything that was published, and all that followed from it, has settled.
    pub async fn settled(&self) {
        self.shared().quiet.wait(|| self.has_unseen()).await;
    }

    /// Whether something is in a log that no handler has been handed.
    #[must_use]
    pub fn has_unseen(&self) -> bool {
        self.shared().look(State::unseen)
    }

    /// The next `times` commits fail.
    pub fn fail_commits(&self, class: CommitClass, times: u32) {
        self.shared().change(|state, _| state.faults.commits = (times > 0).then_some((class, times)));
    }

    /// The next `times` offset fetches fail; each is tried again after 100 ms.
    pub fn fail_offset_fetch(&self, times: u32) {
        self.shared().change(|state, _| state.faults.offset_fetches = times);
    }

    /// The next `times` publishes by the app are refused; trying again may help.
    pub fn fail_publishes(&self, times: u32) {
        self.shared().change(|state, _| state.faults.publishes = times);
    }

    /// The next `times` publishes by the app to this topic are refused; trying again may help.
    pub fn fail_publishes_to(&self, topic: &str, times: u32) {
        self.shared().change(|state, _| state.faults.publishes_to.insert(topic.to_owned(), times));
    }

    /// The topic is not made for an app that needs it, for this reason.
    pub fn refuse_topic(&self, topic: &str, reason: &str) {
        self.shared()
            .change(|state, _| state.faults.refused_topics.insert(topic.to_owned(), reason.to_owned()));
    }

    /// Nothing arrives or leaves for a while.
    pub fn disconnect(&self, duration: Duration) {
        self.shared().set_offline(true);
        self.shared().change(|state, _| {
            let until = Instant::now() + duration;
            state.faults.offline_until = Some(until);
            state.at(until, Due::Reconnect);
        });
    }

    /// Every partition of the group changes hands: revoked, then assigned anew.
    pub fn rebalance(&self, group: &str) {
        self.shared().change(|state, shared| {
            let Some((name, found)) = state.groups.get_key_value(group) else { return };
            let name = Arc::clone(name);
            let mut lanes = BTreeMap::<_, Vec<_>>::new();
            for owner in found.owners.values().filter(|owner| !owner.revoking) {
                lanes.entry(owner.member).or_default().push(owner.epoch);
            }
            if let Some(group) = state.groups.get_mut(&name) {
                group.owners.values_mut().for_each(|owner| owner.revoking = true);
            }
            for (id, lanes) in lanes {
                state.tell_revoked(shared, &name, id, lanes, false);
            }
        });
    }

    /// The group's members lose their membership: they hear of it afterwards, and join again.
    pub fn lose(&self, group: &str) {
        self.shared().change(|state, shared| {
            let Some((name, found)) = state.groups.get_key_value(group) else { return };
            let name = Arc::clone(name);
            let living = found.members.iter().filter(|(_, member)| member.alive && !member.foreign);
            for id in living.map(|(id, _)| *id).collect::<Vec<_>>() {
                state.lose(shared, &name, id);
            }
        });
    }

    /// Another member joins the group, of another process: it takes its share of the topics, and handles nothing.
    #[must_use = "it leaves when it is dropped"]
    pub fn join_foreign(&self, group: &str, topics: &[&str]) -> ForeignMember {
        ForeignMember::join(self.clone(), group, topics)
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
    fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes something, and tells whoever waits for it.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut State, &Arc<Self>) -> R) -> R {
        let result = self.change_by_clock(change);
        self.wake.notify_one();
        result
    }

    /// As `change`, by the agenda's task itself, which must not wake itself.
    fn change_by_clock<R>(self: &Arc<Self>, change: impl FnOnce(&mut State, &Arc<Self>) -> R) -> R {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), self);
        self.quiet.nudge();
        result
    }

    fn is_offline(&self) -> bool {
        self.offline.load(SeqCst)
    }

    fn set_offline(&self, offline: bool) {
        self.offline.store(offline, SeqCst);
    }

    /// Milliseconds of tokio's clock: a run repeats to the millisecond.
    fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Where a record goes; makes the topic if there is none.
    fn log_for(self: &Arc<Self>, record: &Outgoing) -> Result<Arc<log::PartitionLog>, PublishError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let partitions = state.default_partitions;
        if !state.topics.contains_key(&record.topic) && state.create_topic(&record.topic, partitions) {
            state.balance_all(self);
        }
        state.log_for(record)
    }

    /// Appends on behalf of the app: faults apply.
    fn append_to(&self, state: &mut State, record: Outgoing) -> Result<Published, PublishError> {
        if let Some(error) = state.faults.publish(&record.topic) {
            return Err(error);
        }
        let log = state.log_for(&record)?;
        Ok(Published { partition: log.partition, offset: log.append(record, self.now_ms()) })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.wake.notify_one();
    }
}

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

    fn join(&self, request: GroupRequest, member: Member) -> Result<(), BrokerError> {
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

    fn ensure_topics(
        &self,
        wanted: &[TopicRequest],
    ) -> BoxFuture<'_, Result<Vec<MissingTopic>, BrokerError>> {
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
        let backlog = |state: &State| {
            topics.iter().map(|topic| (topic.clone(), state.backlog(group, topic))).collect::<Vec<_>>()
        };
        Box::pin(std::future::ready(Ok(self.shared().look(backlog))))
    }
}

impl Producer for MemoryBroker {
    fn enqueue(&self, record: Outgoing) -> Receipt {
        if self.shared().is_offline() {
            let (topic, (answer, receipt)) = (record.topic.to_string(), oneshot::channel());
            self.shared().change(|state, _| state.delayed.push((record, answer)));
            return Receipt::waiting(topic, receipt);
        }
        let fault = {
            let mut state = self.shared().state.lock().unwrap_or_else(PoisonError::into_inner);
            state.faults.publish(&record.topic)
        };
        Receipt::known(fault.map_or_else(|| self.append(record), Err))
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
