//! A member of another process, for tests: it takes its share of the partitions and handles nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::group::MemberId;
use super::shared::SharedCluster;
use crate::TopicPartition;
use crate::broker::GroupRequest;
use crate::policy::Start;

/// A member of another process. It owns partitions, answers revocations at once, and reads and commits nothing, so
/// the records of its partitions wait. Dropping it leaves the group.
#[derive(Debug)]
pub struct ExternalMember {
    /// The cluster. It does not keep the broker's clock running.
    shared: Arc<SharedCluster>,
    /// The group that it joined.
    group: Arc<str>,
    /// Its number on the broker.
    id: MemberId,
}

impl ExternalMember {
    /// Joins the group. The timer and the drain time of its request have no effect, because it stores nothing.
    pub(in crate::memory) fn join(shared: Arc<SharedCluster>, group: &str, topics: &[&str]) -> Self {
        let group: Arc<str> = group.into();
        let request = GroupRequest {
            group: Arc::clone(&group),
            topics: topics
                .iter()
                .map(|topic| ((*topic).to_owned(), Start::Earliest))
                .collect::<BTreeMap<_, _>>(),
            patterns: Vec::new(),
            commit_interval: Duration::from_secs(1),
            drain: Duration::from_secs(5),
        };
        let (id, _) = shared.change(|state, shared| state.join(shared, request, true));
        Self { shared, group, id }
    }

    /// Returns the partitions that it owns now.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.shared.look(|state| {
            let owners = state.groups.get(&self.group).into_iter().flat_map(|group| &group.owners);
            let mine = owners.filter(|(_, owner)| owner.member == self.id);
            mine.map(|(tp, _)| tp.clone()).collect()
        })
    }
}

impl Drop for ExternalMember {
    fn drop(&mut self) {
        self.shared.change(|state, shared| state.leave(shared, &self.group, self.id));
    }
}
