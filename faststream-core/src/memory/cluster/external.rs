//! A member of another process, for tests: it takes its share of partitions and handles nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::group::MemberId;
use super::shared::SharedCluster;
use crate::TopicPartition;
use crate::broker::GroupRequest;
use crate::policy::Start;

/// A member of another process. Leaves the group when dropped.
#[derive(Debug)]
pub struct ExternalMember {
    shared: Arc<SharedCluster>,
    group: Arc<str>,
    id: MemberId,
}

impl ExternalMember {
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

    /// The partitions that it owns now.
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
