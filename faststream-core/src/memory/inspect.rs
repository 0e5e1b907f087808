//! What a test does with a broker beside its faults: topics, records, offsets, and the wait until all has settled.

use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(feature = "testing")]
use super::STARTED;
#[cfg(feature = "testing")]
use super::client;
use super::cluster::ClusterState;
use super::{BrokerObserver, MemoryBroker};
use crate::TopicPartition;
use crate::broker::{PublishError, Published};
use crate::record::Outgoing;
use crate::record::OwnedRecord;
use crate::runtime::IdleTracker;

impl MemoryBroker {
    /// What counts as settled: to be shared with the app that runs on this broker.
    #[must_use]
    pub fn idle(&self) -> Arc<IdleTracker> {
        Arc::clone(&self.shared().idle)
    }

    /// From now on its clock says what it says in every test, so that a run repeats to the millisecond.
    #[cfg(feature = "testing")]
    pub(crate) fn start_as_in_every_test(&self) {
        self.shared().set_started(STARTED);
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
                client::request(state, shared, &group, id);
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

    /// Appends a record at once. Faults do not apply.
    ///
    /// # Errors
    /// If it names a partition that does not exist, or a header with a NUL byte in its name.
    pub fn append(&self, record: Outgoing) -> Result<Published, PublishError> {
        self.shared().append_at_once(record)
    }

    /// Notifies `observer` of everything that happens here. The first observer stays.
    pub fn observe(&self, observer: Arc<dyn BrokerObserver>) {
        self.shared().set_observer(observer);
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
}
