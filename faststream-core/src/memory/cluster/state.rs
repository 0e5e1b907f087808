//! What the in-memory cluster knows. Ordered maps only: their order shows in events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::faults::InjectedFaults;
use super::group::{GroupState, MemberId, MemberState};
use super::log::PartitionLog;
use crate::broker::{Answer, Epoch, RevocationId};
use crate::record::Outgoing;

#[derive(Debug)]
pub(in crate::memory) struct ClusterState {
    pub(in crate::memory) topics: BTreeMap<Arc<str>, Vec<Arc<PartitionLog>>>,
    pub(in crate::memory) groups: BTreeMap<Arc<str>, GroupState>,
    pub(in crate::memory) agenda: BTreeMap<(Instant, u64), ScheduledEvent>,
    pub(in crate::memory) faults: InjectedFaults,
    /// Published records that have not arrived yet, in their order.
    pub(in crate::memory) delayed: Vec<(Outgoing, Answer)>,
    /// Dropped when all of them have arrived: flushes wait for that.
    pub(in crate::memory) flushes: Vec<oneshot::Sender<()>>,
    /// Partitions of a topic that is made by being used.
    pub(in crate::memory) default_partitions: i32,
    numbers: u64,
    pub(super) round_robin: usize,
}

/// What happens by the clock.
#[derive(Debug)]
pub(in crate::memory) enum ScheduledEvent {
    /// A member commits by its timer.
    CommitTimer(Arc<str>, MemberId),
    /// A commit that was delayed arrives, or one that was lost is given up.
    Commit(Arc<str>, MemberId, u64),
    /// A crashed member's session expires.
    SessionExpired(Arc<str>, MemberId),
    /// A revocation that nobody answered costs the membership.
    RevocationTimeout(Arc<str>, MemberId, RevocationId),
    /// A failed offset fetch is tried again.
    Assign(Arc<str>, MemberId, Vec<Epoch>),
    /// The cluster can be reached again.
    Reconnect,
    /// Delayed publishes arrive.
    Publishes,
}

impl ClusterState {
    pub(in crate::memory) fn new() -> Self {
        Self {
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            agenda: BTreeMap::new(),
            faults: InjectedFaults::default(),
            delayed: Vec::new(),
            flushes: Vec::new(),
            default_partitions: 1,
            numbers: 0,
            round_robin: 0,
        }
    }

    /// Returns a number that is unique in this broker: members, revocations and entries of the agenda share it.
    pub(in crate::memory) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The members of processes that live.
    #[cfg(feature = "testing")]
    pub(in crate::memory) fn members(&self) -> Vec<(Arc<str>, MemberId)> {
        let members = self.groups.iter().flat_map(|(name, group)| {
            let alive = group.members.iter().filter(|(_, member)| member.alive && !member.external);
            alive.map(|(id, _)| (Arc::clone(name), *id))
        });
        members.collect()
    }

    /// Whether a member of a process that lives has stored what is not committed.
    #[cfg(feature = "testing")]
    pub(in crate::memory) fn has_uncommitted(&self) -> bool {
        let members = self.groups.values().flat_map(|group| group.members.values());
        let alive = members.filter(|member| member.alive && !member.external);
        alive.flat_map(|member| member.lanes.values()).any(|lane| {
            !lane.cell.is_fenced() && lane.cell.stored().is_some_and(|stored| stored > lane.acked)
        })
    }

    pub(in crate::memory) fn member(&mut self, group: &Arc<str>, id: MemberId) -> Option<&mut MemberState> {
        self.groups.get_mut(group)?.members.get_mut(&id)
    }

    pub(in crate::memory) fn at(&mut self, when: Instant, due: ScheduledEvent) {
        let number = self.number();
        self.agenda.insert((when, number), due);
    }

    /// A record counts as seen from being handed to a living lane. A lane that is revoked, dropped or not yet there has
    /// seen only what is committed: everything behind that is delivered again.
    pub(in crate::memory) fn unseen(&self) -> bool {
        self.groups.values().any(|group| {
            let mut alive =
                group.members.values().filter(|member| member.alive && !member.external).peekable();
            if alive.peek().is_none() {
                return false;
            }
            let read: Vec<_> = alive.collect();
            let topics =
                self.topics.iter().filter(|(topic, _)| read.iter().any(|member| member.request.reads(topic)));
            topics.flat_map(|(_, logs)| logs).any(|log| {
                let tp = log.topic_partition();
                let owner = group.owners.get(&tp);
                let member = owner.and_then(|owner| group.members.get(&owner.member));
                if member.is_some_and(|member| member.external) {
                    return false;
                }
                let lane = owner.filter(|owner| !owner.revoking).zip(member);
                let lane = lane.and_then(|(owner, member)| member.lanes.get(&owner.epoch));
                let seen = match lane.map(|lane| &lane.cell).filter(|cell| !cell.is_fenced()) {
                    Some(cell) if cell.held.load(SeqCst) => return false,
                    Some(cell) => cell.position.load(SeqCst),
                    None => group.committed.get(&tp).copied().unwrap_or(0),
                };
                seen < log.end()
            })
        })
    }
}
