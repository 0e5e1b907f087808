//! Changes of the topics that a member reads.

use std::sync::Arc;

use super::group::MemberId;
use super::shared::SharedCluster;
use super::state::ClusterState;
use crate::policy::Start;

impl ClusterState {
    /// A member reads this topic, too. It is made if it does not exist.
    pub(in crate::memory) fn subscribe(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
        topic: &Arc<str>,
        start: Start,
    ) {
        // What exists now is what `start = Latest` skips.
        let now = self.at_join(name);
        let made = self.create_topic(topic, self.default_partitions);
        let Some(member) = self.member(name, id) else { return };
        if member.request.topics.contains_key(&**topic) {
            return;
        }
        member.request.topics.insert(topic.to_string(), start);
        member.at_join.take_over(topic, now);
        self.balance(shared, name);
        if made {
            // Another group may read it by a pattern.
            self.balance_all(shared);
        }
    }

    /// A member reads this topic no longer: its partitions are revoked.
    pub(in crate::memory) fn unsubscribe(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
        topic: &Arc<str>,
    ) {
        let Some(member) = self.member(name, id) else { return };
        if member.request.topics.remove(&**topic).is_some() {
            self.balance(shared, name);
        }
    }
}
