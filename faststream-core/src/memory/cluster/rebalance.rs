//! Who owns which partition: sticky and cooperative, as Kafka's default for new clients.
//!
//! Shares are computed for each topic alone, among the members that read it: its partitions divided by the
//! members, and one more for some if that leaves a remainder. A partition moves only if its owner has more than
//! its share. See the module docs of `cluster` for the steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::group::{MemberId, Owner};
use super::shared::SharedCluster;
use super::state::{ClusterState, ScheduledEvent};
use crate::TopicPartition;
use crate::broker::{Epoch, Event, RevocationId};
use crate::memory::observer::BrokerEvent;

/// The time until an unanswered revocation costs the membership. Kafka has `max.poll.interval.ms` for this, which
/// defaults to 5 minutes; the runtime answers within its drain time, far below either.
const REVOCATION: Duration = Duration::from_secs(60);

impl ClusterState {
    /// Rebalances every group: topics or partitions were added, and a pattern may match them.
    pub(in crate::memory) fn balance_all(&mut self, shared: &Arc<SharedCluster>) {
        for name in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.balance(shared, &name);
        }
    }

    /// Lets each member keep its share of each topic, revokes the rest, and assigns partitions that have no owner.
    ///
    /// A partition whose revocation is open is left alone; the answer rebalances again. A free partition goes to
    /// the member with the fewest partitions of its topic, then with the fewest new ones over all topics, then
    /// with the lowest number: so that members of many small topics share them, and a run repeats.
    pub(super) fn balance(&mut self, shared: &Arc<SharedCluster>, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let mut revoke: BTreeMap<MemberId, Vec<Epoch>> = BTreeMap::new();
        let mut assign: BTreeMap<MemberId, Vec<Epoch>> = BTreeMap::new();
        let mut totals: BTreeMap<MemberId, usize> = BTreeMap::new();
        for (tp, owner) in group.owners.iter_mut().filter(|(_, owner)| !owner.revoking) {
            // It has unsubscribed from the topic.
            if group.members.get(&owner.member).is_some_and(|member| !member.request.reads(&tp.topic)) {
                owner.revoking = true;
                revoke.entry(owner.member).or_default().push(owner.epoch);
            }
        }
        for (topic, logs) in &self.topics {
            let readers =
                group.members.iter().filter(|(_, member)| member.joined && member.request.reads(topic));
            let mut planned: BTreeMap<MemberId, usize> = readers.map(|(id, _)| (*id, 0)).collect();
            if planned.is_empty() {
                continue;
            }
            let (share, mut extra) = (logs.len() / planned.len(), logs.len() % planned.len());
            for log in logs {
                let tp = TopicPartition::new(Arc::clone(topic), log.partition);
                let Some(owner) = group.owners.get_mut(&tp).filter(|owner| !owner.revoking) else {
                    continue;
                };
                let Some(count) = planned.get_mut(&owner.member) else { continue };
                if *count < share || (*count == share && extra > 0) {
                    extra -= usize::from(*count == share);
                    *count += 1;
                } else {
                    owner.revoking = true;
                    revoke.entry(owner.member).or_default().push(owner.epoch);
                }
            }
            for log in logs {
                let tp = TopicPartition::new(Arc::clone(topic), log.partition);
                if group.owners.contains_key(&tp) {
                    continue;
                }
                let least = |(id, count): &(&MemberId, &mut usize)| (**count, totals.get(*id).copied(), **id);
                let (id, count) = planned.iter_mut().min_by_key(least).expect("somebody reads the topic");
                *count += 1;
                *totals.entry(*id).or_default() += 1;
                let epoch = Epoch::next();
                group.owners.insert(tp, Owner { member: *id, epoch, revoking: false });
                assign.entry(*id).or_default().push(epoch);
            }
        }
        for (id, lanes) in revoke {
            self.notify_revoked(shared, name, id, lanes, false);
        }
        for (id, lanes) in assign {
            self.notify_assigned(shared, name, id, lanes);
        }
    }

    /// Asks a member to release lanes, and schedules the consequence of no answer. `lost` reports that they are
    /// lost already.
    ///
    /// A member of another process answers at once. Lanes that are not open yet are left out of the event, but
    /// count as revoked.
    pub(in crate::memory) fn notify_revoked(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
        lanes: Vec<Epoch>,
        lost: bool,
    ) {
        let revocation = RevocationId(self.number());
        let Some(member) = self.member(name, id) else { return };
        member.open.insert(revocation, (lanes.clone(), lost));
        if member.external {
            return self.answer(shared, name, id, revocation);
        }
        let known: Vec<_> = lanes.into_iter().filter(|lane| member.lanes.contains_key(lane)).collect();
        shared.observe(&BrokerEvent::Revoked { member: id.0, revocation, lanes: &known, lost });
        member.inbox.push(Event::Revoked { id: revocation, lanes: known, lost });
        self.at(
            Instant::now() + REVOCATION,
            ScheduledEvent::RevocationTimeout(Arc::clone(name), id, revocation),
        );
    }

    /// Handles the answer to a revocation, after the client committed what the lanes stored: frees their
    /// partitions, and rebalances. A member that had lost its membership joins again with it.
    pub(in crate::memory) fn answer(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
        revocation: RevocationId,
    ) {
        let Some(member) = self.member(name, id) else { return };
        let Some((lanes, lost)) = member.open.remove(&revocation) else { return };
        self.release(name, id, &lanes);
        shared.observe(&BrokerEvent::Answered { member: id.0, revocation });
        if let Some(member) = self.member(name, id).filter(|_| lost) {
            member.joined = true;
        }
        self.balance(shared, name);
    }

    /// Frees the partitions of lanes that ended, and forgets the lanes. Partitions that belong to another lane by
    /// now stay.
    pub(super) fn release(&mut self, name: &Arc<str>, id: MemberId, lanes: &[Epoch]) {
        if let Some(group) = self.groups.get_mut(name) {
            group.owners.retain(|_, owner| owner.member != id || !lanes.contains(&owner.epoch));
        }
        if let Some(member) = self.member(name, id) {
            member.lanes.retain(|lane, _| !lanes.contains(lane));
        }
    }
}
