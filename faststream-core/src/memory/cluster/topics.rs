//! The topics of the cluster: created, extended, and noted at a join.
//!
//! None of these methods rebalances: a caller that creates several topics does that once, at the end.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::log::PartitionLog;
use super::state::ClusterState;
use crate::TopicPartition;
use crate::broker::{AtJoin, Event};

impl ClusterState {
    /// Creates a topic with this number of partitions, 1 at least; false if it existed.
    pub(in crate::memory) fn create_topic(&mut self, topic: &str, partitions: i32) -> bool {
        let name: Arc<str> = topic.into();
        if self.topics.contains_key(&name) {
            return false;
        }
        let log = |partition| Arc::new(PartitionLog::new(Arc::clone(&name), partition));
        self.topics.insert(Arc::clone(&name), (0..partitions.max(1)).map(log).collect());
        true
    }

    /// Extends a topic to this number of partitions; false if it has as many, or does not exist.
    pub(in crate::memory) fn add_partitions(&mut self, topic: &str, partitions: i32) -> bool {
        let Some((name, logs)) = self.topics.get_key_value(topic) else { return false };
        let (name, known) = (Arc::clone(name), i32::try_from(logs.len()).unwrap_or(i32::MAX));
        let more: Vec<_> = (known..partitions)
            .map(|partition| Arc::new(PartitionLog::new(Arc::clone(&name), partition)))
            .collect();
        let any = !more.is_empty();
        self.topics.entry(name).or_default().extend(more);
        any
    }

    /// Returns the topics that exist for a member that joins now, and whether its group has committed in them.
    pub(super) fn at_join(&self, name: &Arc<str>) -> AtJoin {
        let committed = |topic: &str| {
            let known = self.groups.get(name).into_iter().flat_map(|group| group.committed.keys());
            known.into_iter().any(|known| *known.topic == *topic)
        };
        let mut at_join = AtJoin::default();
        for (topic, logs) in &self.topics {
            at_join.note(topic, i32::try_from(logs.len()).unwrap_or(i32::MAX), committed(topic));
        }
        at_join
    }

    /// Returns the log of a partition; `None` if it does not exist.
    pub(in crate::memory) fn log(&self, tp: &TopicPartition) -> Option<Arc<PartitionLog>> {
        self.topics.get(&tp.topic)?.get(usize::try_from(tp.partition).ok()?).cloned()
    }

    /// Notifies the members that had not read a partition up to `to`, where its log begins now.
    pub(in crate::memory) fn notify_expired(&self, tp: &TopicPartition, to: i64) {
        for member in self.groups.values().flat_map(|group| group.members.values()) {
            for (lane, reads) in &member.lanes {
                let from = reads.cell.position.load(SeqCst);
                if reads.tp == *tp && from < to {
                    member.inbox.push(Event::Expired { lane: *lane, from, to });
                }
            }
        }
    }
}
