//! The coordinator's view of members: they join, leave, crash, and lose their membership.
//!
//! Every change here ends in a rebalance of the group. The difference between the four ways out of a group:
//!
//! | | offsets committed | partitions free | member afterwards |
//! | --- | --- | --- | --- |
//! | leave | yes, by its client | at once | removed, gets `Event::Closed` |
//! | crash | no | when the session expires | removed then |
//! | broken client | no | when the session expires | gets `Event::Fatal`, removed then |
//! | lost membership | refused as stale | at once | joins again with its answer |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::group::{MemberId, MemberInbox, MemberState};
use super::shared::SharedCluster;
use super::state::{ClusterState, ScheduledEvent};
use crate::broker::{Epoch, Event, GroupRequest, Remedy};
use crate::memory::observer::BrokerEvent;

/// How long a member that crashed still counts as one, so that nobody reads its partitions. Kafka calls this
/// `session.timeout.ms` and defaults to 45 s; 6 s is the least that a broker allows by default.
pub(crate) const SESSION: Duration = Duration::from_secs(6);

impl ClusterState {
    /// Adds a member to a group, and creates the topics that it reads by name. Returns its number and its inbox.
    ///
    /// Its first message is an empty assignment: the member has joined. Its commit timer starts, and the group
    /// rebalances. An `external` member is one of another process.
    pub(in crate::memory) fn join(
        &mut self,
        shared: &Arc<SharedCluster>,
        request: GroupRequest,
        external: bool,
    ) -> (MemberId, Arc<MemberInbox>) {
        let (name, inbox, id) =
            (Arc::clone(&request.group), Arc::new(MemberInbox::default()), MemberId(self.number()));
        let at_join = self.at_join(&name);
        let mut made = false;
        for topic in request.topics.keys() {
            made |= self.create_topic(topic, self.default_partitions);
        }
        self.at(Instant::now() + request.commit_interval, ScheduledEvent::CommitTimer(Arc::clone(&name), id));
        let member = MemberState {
            request,
            at_join,
            inbox: Arc::clone(&inbox),
            joined: true,
            alive: true,
            external,
            lanes: BTreeMap::new(),
            open: BTreeMap::new(),
            commit: None,
        };
        self.groups.entry(Arc::clone(&name)).or_default().members.insert(id, member);
        // It owns nothing yet, but it has an assignment.
        inbox.push_assigned(Vec::new());
        self.balance(shared, &name);
        if made {
            // Another group may read them by a pattern.
            self.balance_all(shared);
        }
        (id, inbox)
    }

    /// Ends a membership, as a coordinator that got no heartbeat for too long. The member is
    /// notified, and joins again with its answer. Meanwhile others may own its partitions.
    ///
    /// Lanes that an open revocation names already are not revoked twice.
    pub(in crate::memory) fn lose(&mut self, shared: &Arc<SharedCluster>, name: &Arc<str>, id: MemberId) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(member) = group.members.get_mut(&id) else { return };
        member.joined = false;
        group.owners.retain(|_, owner| owner.member != id);
        let open: BTreeSet<Epoch> =
            member.open.values().flat_map(|(lanes, _)| lanes.iter().copied()).collect();
        let lanes = member.lanes.keys().filter(|lane| !open.contains(lane)).copied().collect();
        self.notify_revoked(shared, name, id, lanes, true);
        self.balance(shared, name);
    }

    /// Removes a member that leaves, after its client committed what its lanes stored.
    pub(in crate::memory) fn leave(&mut self, shared: &Arc<SharedCluster>, name: &Arc<str>, id: MemberId) {
        let Some(member) = self.member(name, id) else { return };
        let lanes: Vec<Epoch> = member.lanes.keys().copied().collect();
        self.release(name, id, &lanes);
        shared.observe(&BrokerEvent::Left { member: id.0 });
        if let Some(group) = self.groups.get_mut(name) {
            group.owners.retain(|_, owner| owner.member != id);
            if let Some(member) = group.members.remove(&id) {
                member.inbox.push(Event::Closed);
            }
        }
        self.balance(shared, name);
    }

    /// Ends a member's process. Its lanes read and store nothing more, and the coordinator keeps it until the
    /// session expires.
    ///
    /// Called whenever the member's task ends. A member that left, or crashed before, is not affected.
    pub(in crate::memory) fn crashed(&mut self, shared: &Arc<SharedCluster>, name: &Arc<str>, id: MemberId) {
        let Some(member) = self.member(name, id).filter(|member| member.alive) else { return };
        member.alive = false;
        shared.observe(&BrokerEvent::Crashed { member: id.0 });
        for lane in member.lanes.values() {
            lane.cell.fence();
        }
        self.at(Instant::now() + SESSION, ScheduledEvent::SessionExpired(Arc::clone(name), id));
    }

    /// Ends a member's client with a fatal error: it stops without leaving. The member is asked for a new client
    /// (`Remedy::NewClient`), and the old membership lasts until its session expires.
    pub(in crate::memory) fn break_client(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
    ) {
        self.crashed(shared, name, id);
        if let Some(member) = self.member(name, id) {
            member.inbox.push(Event::Fatal { message: "broken by script".into(), remedy: Remedy::NewClient });
            member.inbox.push(Event::Closed);
        }
    }

    /// Removes a member whose session expired, and frees its partitions.
    pub(in crate::memory) fn expire(&mut self, shared: &Arc<SharedCluster>, name: &Arc<str>, id: MemberId) {
        if let Some(group) = self.groups.get_mut(name) {
            group.members.remove(&id);
            group.owners.retain(|_, owner| owner.member != id);
        }
        self.balance(shared, name);
    }
}
