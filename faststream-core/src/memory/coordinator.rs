//! Groups: who owns what, told by events. Sticky and cooperative, as Kafka's own default for new clients.

use crate::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::committer;
use super::lane::{Cell, MemoryLane};
use super::observer::BrokerEvent;
use super::state::{ClusterState, MemberId, MemberInbox, MemberLane, MemberState, Owner, ScheduledEvent};
use crate::broker::{Epoch, Event, GroupRequest, Lane, Remedy, RevocationId};
use crate::policy::Start;

/// Until a member that crashed is thrown out.
pub(crate) const SESSION: Duration = Duration::from_secs(6);
/// Until a revocation that is not answered costs the membership (max.poll.interval, as it were).
const REVOCATION: Duration = Duration::from_secs(60);
const OFFSET_FETCH_RETRY: Duration = Duration::from_millis(100);

impl ClusterState {
    pub(super) fn join(
        &mut self,
        shared: &Arc<Shared>,
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
        inbox.push(Event::Assigned(Vec::new()));
        self.balance(shared, &name);
        if made {
            // Another group may read them by a pattern.
            self.balance_all(shared);
        }
        (id, inbox)
    }

    pub(super) fn balance_all(&mut self, shared: &Arc<Shared>) {
        for name in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.balance(shared, &name);
        }
    }

    /// Keep what is within one's share of each topic, revoke the rest, hand out what is free.
    pub(super) fn balance(&mut self, shared: &Arc<Shared>, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let mut revoke: BTreeMap<MemberId, Vec<Epoch>> = BTreeMap::new();
        let mut assign: BTreeMap<MemberId, Vec<Epoch>> = BTreeMap::new();
        let mut totals: BTreeMap<MemberId, usize> = BTreeMap::new();
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

    /// Opens lanes at the committed offsets; after a failed offset fetch, a little later.
    pub(super) fn notify_assigned(
        &mut self,
        shared: &Arc<Shared>,
        name: &Arc<str>,
        id: MemberId,
        epochs: Vec<Epoch>,
    ) {
        if self.member(name, id).is_none_or(|member| member.external) {
            return;
        }
        if self.faults.offset_fetch() {
            let again = ScheduledEvent::Assign(Arc::clone(name), id, epochs);
            return self.at(Instant::now() + OFFSET_FETCH_RETRY, again);
        }
        let group = &self.groups[name];
        let partitions: Vec<(TopicPartition, Epoch)> = epochs
            .into_iter()
            .filter_map(|epoch| {
                let (tp, owner) = group.owners.iter().find(|(_, owner)| owner.epoch == epoch)?;
                (!owner.revoking).then(|| (tp.clone(), epoch))
            })
            .collect();
        let mut lanes: Vec<Box<dyn Lane>> = Vec::new();
        let mut expired = Vec::new();
        for (tp, epoch) in partitions {
            let start = self.start_of(name, id, &tp);
            expired.extend(self.expired(name, &tp, start).map(|from| (epoch, from, start)));
            lanes.extend(self.open(shared, name, id, tp, epoch, start));
        }
        if let Some(member) = self.member(name, id).filter(|_| !lanes.is_empty()) {
            member.inbox.push(Event::Assigned(lanes));
            for (lane, from, to) in expired {
                member.inbox.push(Event::Expired { lane, from, to });
            }
        }
    }

    /// From where on the group had still to read a partition, if records were deleted before this lane begins.
    fn expired(&mut self, name: &Arc<str>, tp: &TopicPartition, start: i64) -> Option<i64> {
        let group = self.groups.get_mut(name)?;
        let began = group.began.insert(tp.clone(), start);
        let next = group.committed.get(tp).copied().or(began);
        next.filter(|next| *next < start)
    }

    fn start_of(&self, name: &Arc<str>, id: MemberId, tp: &TopicPartition) -> i64 {
        let Some(log) = self.log(tp) else { return 0 };
        let group = &self.groups[name];
        if let Some(next) = group.committed.get(tp) {
            return (*next).max(log.start());
        }
        let member = &group.members[&id];
        let is_latest = member.request.start(&tp.topic) == Some(Start::Latest);
        let begins = is_latest && member.at_join.begins_with(&tp.topic, tp.partition);
        if begins { log.end() } else { log.start() }
    }

    fn open(
        &mut self,
        shared: &Arc<Shared>,
        name: &Arc<str>,
        id: MemberId,
        tp: TopicPartition,
        epoch: Epoch,
        start: i64,
    ) -> Option<Box<dyn Lane>> {
        let log = self.log(&tp)?;
        let cell = Arc::new(Cell::new(epoch, start));
        let (group, topic, partition) = (name, &*log.topic, log.partition);
        shared.tell(&BrokerEvent::Assigned { group, member: id.0, lane: epoch, topic, partition, start });
        let lane = MemberLane { tp, cell: Arc::clone(&cell), acked: -1 };
        self.member(name, id)?.lanes.insert(epoch, lane);
        Some(Box::new(MemoryLane { cell, log, start, shared: Arc::clone(shared), batch: Vec::new() }))
    }

    pub(super) fn notify_revoked(
        &mut self,
        shared: &Arc<Shared>,
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
        shared.tell(&BrokerEvent::Revoked { member: id.0, revocation, lanes: &known, lost });
        member.inbox.push(Event::Revoked { id: revocation, lanes: known, lost });
        self.at(
            Instant::now() + REVOCATION,
            ScheduledEvent::RevocationTimeout(Arc::clone(name), id, revocation),
        );
    }

    /// Fences the lanes, commits what they stored, frees their partitions.
    pub(super) fn answer(
        &mut self,
        shared: &Arc<Shared>,
        name: &Arc<str>,
        id: MemberId,
        revocation: RevocationId,
    ) {
        let Some(member) = self.member(name, id) else { return };
        let Some((lanes, lost)) = member.open.remove(&revocation) else { return };
        self.give_back(shared, name, id, &lanes);
        shared.tell(&BrokerEvent::Answered { member: id.0, revocation });
        if let Some(member) = self.member(name, id).filter(|_| lost) {
            member.joined = true;
        }
        self.balance(shared, name);
    }

    fn give_back(&mut self, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId, lanes: &[Epoch]) {
        if let Some(member) = self.member(name, id) {
            for lane in lanes.iter().filter_map(|lane| member.lanes.get(lane)) {
                lane.cell.fence();
            }
        }
        committer::last(self, shared, name, id, lanes);
        if let Some(group) = self.groups.get_mut(name) {
            group.owners.retain(|_, owner| owner.member != id || !lanes.contains(&owner.epoch));
        }
        if let Some(member) = self.member(name, id) {
            member.lanes.retain(|lane, _| !lanes.contains(lane));
        }
    }

    /// Ends a lane whose task died, and opens its partition again at what it stored or committed.
    pub(super) fn reopen(&mut self, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId, old: Epoch) {
        let Some(lane) = self.member(name, id).and_then(|member| member.lanes.remove(&old)) else { return };
        lane.cell.fence();
        shared.tell(&BrokerEvent::Reopened { lane: old });
        let committed = self.start_of(name, id, &lane.tp);
        let start = lane.cell.stored().unwrap_or(0).max(committed);
        let epoch = Epoch::next();
        let Some(owner) = self.groups.get_mut(name).and_then(|group| group.owners.get_mut(&lane.tp)) else {
            return;
        };
        if owner.epoch != old || owner.revoking {
            return;
        }
        owner.epoch = epoch;
        if let Some(lane) = self.open(shared, name, id, lane.tp, epoch, start)
            && let Some(member) = self.member(name, id)
        {
            if start > committed
                && let Some(opened) = member.lanes.get(&epoch)
            {
                // It is still to be committed, whether or not another record ever finishes.
                opened.cell.take_over(start);
            }
            member.inbox.push(Event::Assigned(vec![lane]));
        }
    }

    /// The member's session is over as far as the coordinator is concerned; it hears of it and joins again.
    pub(super) fn lose(&mut self, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId) {
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

    pub(super) fn leave(&mut self, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId) {
        let Some(member) = self.member(name, id) else { return };
        let lanes: Vec<Epoch> = member.lanes.keys().copied().collect();
        self.give_back(shared, name, id, &lanes);
        shared.tell(&BrokerEvent::Left { member: id.0 });
        if let Some(group) = self.groups.get_mut(name) {
            group.owners.retain(|_, owner| owner.member != id);
            if let Some(member) = group.members.remove(&id) {
                member.inbox.push(Event::Closed);
            }
        }
        self.balance(shared, name);
    }

    /// Nothing is told to the cluster: the session has to expire first.
    pub(super) fn crashed(&mut self, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId) {
        let Some(member) = self.member(name, id).filter(|member| member.alive) else { return };
        member.alive = false;
        shared.tell(&BrokerEvent::Crashed { member: id.0 });
        for lane in member.lanes.values() {
            lane.cell.fence();
        }
        self.at(Instant::now() + SESSION, ScheduledEvent::SessionExpired(Arc::clone(name), id));
    }

    /// The client is beyond repair: it stops without a word to the cluster.
    pub(super) fn break_client(&mut self, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId) {
        self.crashed(shared, name, id);
        if let Some(member) = self.member(name, id) {
            member.inbox.push(Event::Fatal { message: "broken by script".into(), remedy: Remedy::NewClient });
            member.inbox.push(Event::Closed);
        }
    }

    pub(super) fn expire(&mut self, shared: &Arc<Shared>, name: &Arc<str>, id: MemberId) {
        if let Some(group) = self.groups.get_mut(name) {
            group.members.remove(&id);
            group.owners.retain(|_, owner| owner.member != id);
        }
        self.balance(shared, name);
    }
}
