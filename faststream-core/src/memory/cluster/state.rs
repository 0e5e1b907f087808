//! The data of the in-memory cluster, which one lock protects.
//!
//! All maps are ordered: their order decides the order of events, and a run has to repeat. The methods that change
//! the data lie beside their subject: topics in `topics`, publishes in `publishes`, members in `coordinator`,
//! shares in `rebalance`, lanes in `assignment`.

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

/// Topics, groups, scheduled events and faults. Reached only under the lock of `SharedCluster`: through `look` and
/// `change` as a rule.
#[derive(Debug)]
pub(in crate::memory) struct ClusterState {
    /// The logs of each topic; the index is the partition. A topic has one at least, and never loses one.
    pub(in crate::memory) topics: BTreeMap<Arc<str>, Vec<Arc<PartitionLog>>>,
    /// The groups, created by the first member that joins. A group without members stays, with its committed
    /// offsets.
    pub(in crate::memory) groups: BTreeMap<Arc<str>, GroupState>,
    /// What happens by the clock. The number breaks ties, so that events of one moment run in the order of their
    /// scheduling.
    pub(in crate::memory) agenda: BTreeMap<(Instant, u64), ScheduledEvent>,
    /// The faults that a test injected and that were not hit yet.
    pub(in crate::memory) faults: InjectedFaults,
    /// Published records that have not arrived yet, in their order, with the handle that answers each.
    pub(in crate::memory) delayed: Vec<(Outgoing, Answer)>,
    /// The waits of `Producer::flush`. They are dropped, and so resolve, once all delayed records have arrived.
    pub(in crate::memory) flushes: Vec<oneshot::Sender<()>>,
    /// The number of partitions of a topic that is created by being used: 1. Kafka's `num.partitions` defaults to
    /// 1, too.
    pub(in crate::memory) default_partitions: i32,
    /// The last number that `number` returned.
    numbers: u64,
    /// Counts the records that have no key, over all topics, to spread them over partitions. Kafka's clients
    /// choose at random here; a count repeats.
    pub(super) round_robin: usize,
}

/// What happens by the clock. `agenda::run_event` handles each of them.
#[derive(Debug)]
pub(in crate::memory) enum ScheduledEvent {
    /// A member commits by its timer. It schedules the next one, every `GroupRequest::commit_interval`, while the
    /// member is alive.
    CommitTimer(Arc<str>, MemberId),
    /// A commit that was delayed arrives, or the client gives up on one that was lost. The number is that of the
    /// request.
    Commit(Arc<str>, MemberId, u64),
    /// The session of a crashed member expires, so the coordinator removes it.
    SessionExpired(Arc<str>, MemberId),
    /// The time for a revocation is over. If it is still unanswered, the member loses its membership.
    RevocationTimeout(Arc<str>, MemberId, RevocationId),
    /// A failed offset fetch is retried, for the partitions of these lanes.
    Assign(Arc<str>, MemberId, Vec<Epoch>),
    /// The cluster can be reached again, unless a later disconnection has begun.
    Reconnect,
    /// Delayed publishes arrive.
    Publishes,
}

impl ClusterState {
    /// Returns a cluster without topics and groups.
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

    /// Returns a number that is unique in this broker. Members, revocations, commit requests and entries of the
    /// agenda share the sequence.
    pub(in crate::memory) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Returns the members whose process lives, without those of other processes.
    #[cfg(feature = "testing")]
    pub(in crate::memory) fn members(&self) -> Vec<(Arc<str>, MemberId)> {
        let members = self.groups.iter().flat_map(|(name, group)| {
            let alive = group.members.iter().filter(|(_, member)| member.alive && !member.external);
            alive.map(|(id, _)| (Arc::clone(name), *id))
        });
        members.collect()
    }

    /// Returns whether a member whose process lives has stored an offset that is not committed. Lanes that are
    /// fenced do not count: nothing will commit for them any more.
    #[cfg(feature = "testing")]
    pub(in crate::memory) fn has_uncommitted(&self) -> bool {
        let members = self.groups.values().flat_map(|group| group.members.values());
        let alive = members.filter(|member| member.alive && !member.external);
        alive.flat_map(|member| member.lanes.values()).any(|lane| {
            !lane.cell.is_fenced() && lane.cell.stored().is_some_and(|stored| stored > lane.acked)
        })
    }

    /// Returns a member; `None` if it left or its session expired.
    pub(in crate::memory) fn member(&mut self, group: &Arc<str>, id: MemberId) -> Option<&mut MemberState> {
        self.groups.get_mut(group)?.members.get_mut(&id)
    }

    /// Schedules an event. Nothing cancels it, so the event checks at its time whether it still applies. Call it
    /// inside `SharedCluster::change`, which wakes the agenda.
    pub(in crate::memory) fn at(&mut self, when: Instant, due: ScheduledEvent) {
        let number = self.number();
        self.agenda.insert((when, number), due);
    }

    /// Returns whether a record waits that no handler of a living group has seen: then a test has not settled.
    ///
    /// A record counts as seen when it is handed to a living lane. A lane that is revoked, dropped or not open yet
    /// has seen only what is committed, because everything after that is delivered again. Partitions of other
    /// processes never count, nor do lanes whose next record is held: their records will wait for longer than a
    /// test does.
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
                    Some(cell) if cell.held.load(SeqCst) || cell.is_paused() => return false,
                    Some(cell) => cell.position.load(SeqCst),
                    None => group.committed.get(&tp).copied().unwrap_or(0),
                };
                seen < log.end()
            })
        })
    }
}
