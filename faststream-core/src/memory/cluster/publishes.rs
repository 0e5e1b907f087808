//! What becomes of a published record: its partition, the faults, and its place in the log.

use std::sync::Arc;

use tokio::time::Instant;

use super::log::PartitionLog;
use super::partitioner::partition_of;
use super::shared::SharedCluster;
use super::state::ClusterState;
use crate::broker::{PublishError, PublishErrorKind, Published};
use crate::memory::observer::BrokerEvent;
use crate::record::{Outgoing, Partition};

/// What Kafka refuses unless a topic says otherwise: `message.timestamp.after.max.ms`, an hour.
const FUTURE: i64 = 3_600_000;

impl SharedCluster {
    /// Appends a record, and makes its topic if there is none. Faults do not apply.
    pub(in crate::memory) fn append_at_once(
        self: &Arc<Self>,
        record: Outgoing,
    ) -> Result<Published, PublishError> {
        let log = {
            let mut state = self.lock();
            state.ensure_topic(self, &record.topic);
            state.log_for(&record)?
        };
        let published = self.append_in(&log, record);
        self.idle.notify();
        Ok(published)
    }

    /// Appends on behalf of the app: faults apply.
    pub(in crate::memory) fn append_to(
        &self,
        state: &mut ClusterState,
        record: Outgoing,
    ) -> Result<Published, PublishError> {
        if let Some(error) = state.faults.publish(&record.topic) {
            self.observe(&BrokerEvent::Refused { record: &record, error: &error });
            return Err(error);
        }
        record.check()?;
        check_future(&record, self.latest_now_ms())?;
        let log = state.log_for(&record)?;
        Ok(self.append_in(&log, record))
    }

    /// Appends the records that were delayed, in their order, unless they still are; ends the flushes that wait for them.
    pub(in crate::memory) fn append_delayed(&self, state: &mut ClusterState) {
        if state.are_publishes_delayed() {
            return;
        }
        for (record, answer) in std::mem::take(&mut state.delayed) {
            answer.give(self.append_to(state, record));
        }
        state.flushes.clear();
    }

    fn append_in(&self, log: &PartitionLog, record: Outgoing) -> Published {
        let (partition, observed) = (log.partition, self.is_observed().then(|| record.clone()));
        let offset = log.append(record, self.now_ms());
        if let Some(record) = &observed {
            self.observe(&BrokerEvent::Appended { partition, offset, record });
        }
        Published { partition, offset }
    }
}

impl ClusterState {
    /// Makes the topic of a record if there is none.
    pub(in crate::memory) fn ensure_topic(&mut self, shared: &Arc<SharedCluster>, topic: &str) {
        let is_known = self.topics.contains_key(topic) || !is_topic_name(topic);
        if !is_known && self.create_topic(topic, self.default_partitions) {
            self.balance_all(shared);
            shared.wake.notify_one();
        }
    }

    /// Whether what is published now arrives later.
    pub(in crate::memory) fn are_publishes_delayed(&self) -> bool {
        let is_ahead = |until: &Instant| *until > Instant::now();
        self.faults.offline_until.is_some() || self.faults.publishes_after.as_ref().is_some_and(is_ahead)
    }

    /// The log that a record goes to.
    fn log_for(&mut self, record: &Outgoing) -> Result<Arc<PartitionLog>, PublishError> {
        record.check_headers()?;
        let logs = self.topics.get(&record.topic).ok_or_else(|| record.no_such_topic())?;
        let exists = |partition: i32| usize::try_from(partition).ok().filter(|index| *index < logs.len());
        let by_key = |round_robin: &mut usize| {
            if let Some(key) = &record.key {
                return partition_of(key, logs.len());
            }
            *round_robin += 1;
            *round_robin % logs.len()
        };
        let index = match record.partition {
            Partition::ByKey => by_key(&mut self.round_robin),
            Partition::IfExists(partition) => {
                exists(partition).unwrap_or_else(|| by_key(&mut self.round_robin))
            }
            Partition::Exactly(partition) => exists(partition).ok_or_else(|| PublishError {
                kind: PublishErrorKind::Permanent,
                topic: record.topic.to_string(),
                message: format!("there is no partition {partition}: the topic has {}", logs.len()),
            })?,
        };
        Ok(Arc::clone(&logs[index]))
    }
}

/// Whether Kafka would make such a topic.
fn is_topic_name(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (1..=249).contains(&name.len()) && name.chars().all(legal) && name != "." && name != ".."
}

/// Refuses a timestamp that a broker would refuse.
fn check_future(record: &Outgoing, now: i64) -> Result<(), PublishError> {
    let Some(timestamp) = record.timestamp.filter(|timestamp| *timestamp > now.saturating_add(FUTURE)) else {
        return Ok(());
    };
    Err(PublishError {
        kind: PublishErrorKind::Permanent,
        topic: record.topic.to_string(),
        message: format!(
            "the timestamp {timestamp} is more than an hour ahead of the broker's clock ({now}), which brokers refuse \
             (`message.timestamp.after.max.ms`): set an earlier one, or leave it out"
        ),
    })
}
