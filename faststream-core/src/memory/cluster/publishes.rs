//! How a published record gets into a log: its topic, the faults, and its partition.
//!
//! Two callers, two rules. A test appends directly, and faults do not apply (`append_at_once`). The app publishes
//! through its producer, and faults apply (`append_to`), at the time when the record arrives, not when it was
//! published.

use std::sync::Arc;

use tokio::time::Instant;

use super::log::PartitionLog;
use super::partitioner::partition_of;
use super::shared::SharedCluster;
use super::state::ClusterState;
use crate::broker::{PublishError, PublishErrorKind, Published};
use crate::memory::observer::BrokerEvent;
use crate::record::{Outgoing, Partition};

/// How far ahead of the broker's clock a timestamp may be: an hour, in milliseconds. Brokers refuse later ones
/// unless the topic sets `message.timestamp.after.max.ms`.
const FUTURE: i64 = 3_600_000;

impl SharedCluster {
    /// Appends a record, and creates its topic if there is none. Faults do not apply. Takes the lock of the
    /// cluster, and releases it before the append.
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

    /// Appends a record of the app, unless a fault or one of Kafka's own rules refuses it. The caller holds the
    /// lock.
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

    /// Appends the records that were delayed, in their order, and ends the flushes that wait for them. Does
    /// nothing while publishes are still delayed.
    pub(in crate::memory) fn append_delayed(&self, state: &mut ClusterState) {
        if state.are_publishes_delayed() {
            return;
        }
        for (record, answer) in std::mem::take(&mut state.delayed) {
            answer.give(self.append_to(state, record));
        }
        state.flushes.clear();
    }

    /// Appends a record to a log, and notifies the observer. It copies the record only if there is an observer.
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
    /// Creates the topic of a record if there is none, as a broker with `auto.create.topics.enable` does. An
    /// illegal name is left alone; the append fails then.
    pub(in crate::memory) fn ensure_topic(&mut self, shared: &Arc<SharedCluster>, topic: &str) {
        let is_known = self.topics.contains_key(topic) || !is_topic_name(topic);
        if !is_known && self.create_topic(topic, self.default_partitions) {
            self.balance_all(shared);
            shared.wake.notify_one();
        }
    }

    /// Returns whether a record that is published now arrives later.
    pub(in crate::memory) fn are_publishes_delayed(&self) -> bool {
        let is_ahead = |until: &Instant| *until > Instant::now();
        self.faults.offline_until.is_some() || self.faults.publishes_after.as_ref().is_some_and(is_ahead)
    }

    /// Returns the log for a record: the partition that it names, that of its key, or the next one in turn.
    ///
    /// # Errors
    /// If the topic or the partition does not exist, or a header cannot be written.
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

/// Returns whether Kafka would create a topic of this name.
fn is_topic_name(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (1..=249).contains(&name.len()) && name.chars().all(legal) && name != "." && name != ".."
}

/// Refuses a timestamp that a broker would refuse. `now` is in milliseconds of Unix time.
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
