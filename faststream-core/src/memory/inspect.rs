//! What a test does with a broker besides faults: topics, records, offsets, and the wait until everything has
//! settled.

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
use crate::context::IdleTracker;
use crate::record::Outgoing;
use crate::record::OwnedRecord;

impl MemoryBroker {
    /// Returns the tracker of work in progress, to be shared with the app that runs on this broker.
    #[must_use]
    pub fn idle(&self) -> Arc<IdleTracker> {
        Arc::clone(&self.shared().idle)
    }

    /// Sets the clock to the time at which it starts in every test, so that a run repeats to the millisecond.
    #[cfg(feature = "testing")]
    pub(crate) fn start_as_in_every_test(&self) {
        self.shared().set_started(STARTED);
    }

    /// Returns the time of the broker's clock, in milliseconds of Unix time.
    #[cfg(feature = "testing")]
    pub(crate) fn now_ms(&self) -> i64 {
        self.shared().now_ms()
    }

    /// Commits the stored offsets of each member, without waiting for the timers. A test in real time calls it,
    /// because no clock jumps to the next commit there.
    #[cfg(feature = "testing")]
    pub(crate) fn commit_now(&self) {
        self.shared().change(|state, shared| {
            for (group, id) in state.members() {
                client::request(state, shared, &group, id);
            }
        });
    }

    /// Returns whether a member has stored an offset that is not committed.
    #[cfg(feature = "testing")]
    pub(crate) fn has_uncommitted(&self) -> bool {
        self.shared().look(ClusterState::has_uncommitted)
    }

    /// Creates a topic. Nothing happens if it exists.
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.shared().change(|state, shared| {
            if state.create_topic(topic, partitions) {
                state.balance_all(shared);
            }
        });
    }

    /// Gives a topic this many partitions, even while it is read; creates it if it does not exist. As in Kafka, a
    /// topic never loses partitions.
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

    /// Notifies `observer` of everything that happens on this broker. Only the first call has an effect.
    pub fn observe(&self, observer: Arc<dyn BrokerObserver>) {
        self.shared().set_observer(observer);
    }

    /// Returns the records of a topic with their partitions, ordered by partition and offset; empty if it does not
    /// exist.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<(i32, OwnedRecord)> {
        let logs = self.shared().look(|state| state.topics.get(topic).cloned().unwrap_or_default());
        let all = logs.iter().flat_map(|log| log.all().into_iter().map(|stored| (log.partition, stored)));
        all.map(|(partition, stored)| (partition, stored.borrow(partition).to_owned_record())).collect()
    }

    /// Returns the topics that exist, with their number of partitions.
    #[must_use]
    pub fn topic_list(&self) -> BTreeMap<String, i32> {
        let count = |logs: &Vec<_>| i32::try_from(logs.len()).unwrap_or(i32::MAX);
        self.shared()
            .look(|state| state.topics.iter().map(|(topic, logs)| (topic.to_string(), count(logs))).collect())
    }

    /// Returns whether the topic exists.
    #[must_use]
    pub fn has_topic(&self, topic: &str) -> bool {
        self.shared().look(|state| state.topics.contains_key(topic))
    }

    /// Returns the next offsets that a group committed, by partition; empty if it never did.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.shared().look(|state| {
            let committed = state.groups.get(group).into_iter().flat_map(|group| &group.committed);
            committed.filter(|(tp, _)| *tp.topic == *topic).map(|(tp, next)| (tp.partition, *next)).collect()
        })
    }

    /// Deletes the records of a partition before `offset`, as retention does. Members that had not read that far
    /// are notified.
    pub fn truncate_before(&self, topic: &str, partition: i32, offset: i64) {
        self.shared().change(|state, _| {
            let tp = TopicPartition::new(topic, partition);
            if let Some(log) = state.log(&tp) {
                log.truncate_before(offset);
                state.notify_expired(&tp, log.start());
            }
        });
    }

    /// Waits until everything that was published has settled, with all that followed from it.
    pub async fn settled(&self) {
        self.shared().idle.wait(|| self.has_unseen()).await;
    }

    /// Returns whether a log has a record that was handed to no handler yet. Groups without a running member do
    /// not count.
    #[must_use]
    pub fn has_unseen(&self) -> bool {
        self.shared().look(ClusterState::unseen)
    }
}
