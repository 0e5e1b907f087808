//! The topics that an app needs at its start, and how many records wait in them.

use super::state::ClusterState;
use crate::broker::{BrokerError, TopicFault, TopicPurpose, TopicRequest};
use crate::policy::Provision;

impl ClusterState {
    /// Creates the topics that do not exist, and returns those that may not be created. Existing ones stay
    /// unchanged.
    ///
    /// A retry topic or dead-letter topic gets as many partitions as the largest of its sources, so that a copy
    /// can go to the partition number of its original. A topic of results is created by its first record, as
    /// brokers do by default.
    ///
    /// # Errors
    /// If the broker is disconnected. The caller retries.
    pub(in crate::memory) fn provide(
        &mut self,
        wanted: &[TopicRequest],
    ) -> Result<Vec<TopicFault>, BrokerError> {
        if self.faults.offline_until.is_some() {
            return Err(BrokerError::new("the in-memory broker does not answer: disconnected"));
        }
        let mut missing = Vec::new();
        for request in wanted {
            if self.topics.contains_key(&*request.topic) {
                continue;
            }
            // Its first record creates it, as on brokers by default.
            if request.purpose == TopicPurpose::Results && request.provision == Provision::Create {
                continue;
            }
            let refused = match request.provision {
                Provision::Verify => Some("it does not exist".to_owned()),
                Provision::Create => self.faults.refused_topics.get(&request.topic).cloned(),
            };
            if let Some(reason) = refused {
                missing.push(TopicFault::missing(request.topic.as_str(), reason));
                continue;
            }
            let sources = request.sources.iter().filter_map(|source| self.topics.get(&**source));
            let most = sources.map(Vec::len).max().and_then(|most| i32::try_from(most).ok());
            self.create_topic(&request.topic, most.unwrap_or(self.default_partitions));
        }
        Ok(missing)
    }

    /// Returns how many records of a topic the group has not committed. A topic that does not exist has none.
    pub(in crate::memory) fn backlog(&self, group: &str, topic: &str) -> u64 {
        let committed = self.groups.get(group).map(|group| &group.committed);
        let logs = self.topics.get(topic).into_iter().flatten();
        let waiting = logs.map(|log| {
            let tp = log.topic_partition();
            let next = committed.and_then(|committed| committed.get(&tp)).copied().unwrap_or(0);
            u64::try_from(log.end() - next.max(log.start())).unwrap_or(0)
        });
        waiting.sum()
    }
}
