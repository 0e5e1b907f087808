//! What the in-memory cluster knows. Ordered maps only: their order shows in events.

use crate::TopicPartition;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::Shared;
use super::committer::Request;
use super::faults::InjectedFaults;
use super::lane::Cell;
use super::log::PartitionLog;
use super::partitioner::partition_of;
use crate::broker::{
    Answer, AtJoin, Epoch, Event, GroupRequest, PublishError, PublishErrorKind, RevocationId,
};
use crate::publish::{Outgoing, Partition};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberId(pub(super) u64);

#[derive(Debug)]
pub(super) struct ClusterState {
    pub(super) topics: BTreeMap<Arc<str>, Vec<Arc<PartitionLog>>>,
    pub(super) groups: BTreeMap<Arc<str>, GroupState>,
    pub(super) agenda: BTreeMap<(Instant, u64), ScheduledEvent>,
    pub(super) faults: InjectedFaults,
    /// Published, and on its way for longer than a moment.
    pub(super) delayed: Vec<(Outgoing, Answer)>,
    /// Those who wait until all of it has arrived: dropped then.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    /// Partitions of a topic that is made by being used.
    pub(super) default_partitions: i32,
    numbers: u64,
    round_robin: usize,
}

/// What happens by the clock.
#[derive(Debug)]
pub(super) enum ScheduledEvent {
    CommitTimer(Arc<str>, MemberId),
    /// A commit that was delayed arrives, or one that was lost is given up.
    Commit(Arc<str>, MemberId, u64),
    /// A member that crashed is thrown out.
    SessionExpired(Arc<str>, MemberId),
    /// A revocation that nobody answered costs the membership.
    RevocationTimeout(Arc<str>, MemberId, RevocationId),
    /// A failed offset fetch is tried again.
    Assign(Arc<str>, MemberId, Vec<Epoch>),
    Reconnect,
    /// What was published meanwhile arrives.
    Publishes,
}

#[derive(Debug, Default)]
pub(super) struct GroupState {
    pub(super) members: BTreeMap<MemberId, MemberState>,
    pub(super) owners: BTreeMap<TopicPartition, Owner>,
    pub(super) committed: BTreeMap<TopicPartition, i64>,
    /// Where its lanes began last.
    pub(super) began: BTreeMap<TopicPartition, i64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) member: MemberId,
    pub(super) epoch: Epoch,
    pub(super) revoking: bool,
}

#[derive(Debug)]
pub(super) struct MemberState {
    pub(super) request: GroupRequest,
    /// What there was when it joined.
    pub(super) at_join: AtJoin,
    pub(super) inbox: Arc<MemberInbox>,
    /// The coordinator counts it in.
    pub(super) joined: bool,
    /// Its process lives.
    pub(super) alive: bool,
    /// Made by a test: owns partitions and answers at once, reads nothing.
    pub(super) external: bool,
    pub(super) lanes: BTreeMap<Epoch, MemberLane>,
    /// Revocations that it was told of and did not answer; whether the membership was lost.
    pub(super) open: BTreeMap<RevocationId, (Vec<Epoch>, bool)>,
    /// Under way.
    pub(super) commit: Option<Request>,
}

#[derive(Debug)]
pub(super) struct MemberLane {
    pub(super) tp: TopicPartition,
    pub(super) cell: Arc<Cell>,
    /// What the broker confirmed of this lane; -1 for nothing.
    pub(super) acked: i64,
}

/// Events on their way to a member, which a task of its own carries to it.
#[derive(Debug, Default)]
pub(super) struct MemberInbox {
    events: std::sync::Mutex<VecDeque<Event>>,
    pub(super) arrived: Notify,
}

impl MemberInbox {
    pub(super) fn push(&self, event: Event) {
        self.lock().push_back(event);
        self.arrived.notify_one();
    }

    pub(super) fn pop(&self) -> Option<Event> {
        self.lock().pop_front()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl ClusterState {
    pub(super) fn new() -> Self {
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

    /// Unique in this broker: members, revocations and places in the agenda share it.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// True if it did not exist.
    pub(super) fn create_topic(&mut self, topic: &str, partitions: i32) -> bool {
        let name: Arc<str> = topic.into();
        if self.topics.contains_key(&name) {
            return false;
        }
        let log = |partition| Arc::new(PartitionLog::new(Arc::clone(&name), partition));
        self.topics.insert(Arc::clone(&name), (0..partitions.max(1)).map(log).collect());
        true
    }

    /// True if it had fewer.
    pub(super) fn add_partitions(&mut self, topic: &str, partitions: i32) -> bool {
        let Some((name, logs)) = self.topics.get_key_value(topic) else { return false };
        let (name, known) = (Arc::clone(name), i32::try_from(logs.len()).unwrap_or(i32::MAX));
        let more: Vec<_> = (known..partitions)
            .map(|partition| Arc::new(PartitionLog::new(Arc::clone(&name), partition)))
            .collect();
        let any = !more.is_empty();
        self.topics.entry(name).or_default().extend(more);
        any
    }

    /// What there is for a member that joins now.
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

    /// Makes the topic of a record if there is none.
    pub(super) fn ensure_topic(&mut self, shared: &Arc<Shared>, topic: &str) {
        let is_known = self.topics.contains_key(topic) || !is_topic_name(topic);
        if !is_known && self.create_topic(topic, self.default_partitions) {
            self.balance_all(shared);
            shared.wake.notify_one();
        }
    }

    /// Where a record goes.
    pub(super) fn log_for(&mut self, record: &Outgoing) -> Result<Arc<PartitionLog>, PublishError> {
        record.check_headers()?;
        let logs = self.topics.get(&record.topic).ok_or_else(|| record.no_such_topic())?;
        let exists = |partition: i32| usize::try_from(partition).ok().filter(|index| *index < logs.len());
        let by_key = |round_robin: &mut usize| {
            if let Some(key) = &record.key {
                return partition_of(key, logs.len());
            }
            *round_robin += 1;
            *round_robin % logs.len()
        };
        let index = match record.partition {
            Partition::ByKey => by_key(&mut self.round_robin),
            Partition::IfExists(partition) => {
                exists(partition).unwrap_or_else(|| by_key(&mut self.round_robin))
            }
            Partition::Exactly(partition) => exists(partition).ok_or_else(|| PublishError {
                kind: PublishErrorKind::Permanent,
                topic: record.topic.to_string(),
                message: format!("there is no partition {partition}: the topic has {}", logs.len()),
            })?,
        };
        Ok(Arc::clone(&logs[index]))
    }

    pub(super) fn log(&self, tp: &TopicPartition) -> Option<Arc<PartitionLog>> {
        self.topics.get(&tp.topic)?.get(usize::try_from(tp.partition).ok()?).cloned()
    }

    /// The log begins here now: whoever had not read that far is told.
    pub(super) fn notify_expired(&self, tp: &TopicPartition, to: i64) {
        for member in self.groups.values().flat_map(|group| group.members.values()) {
            for (lane, reads) in &member.lanes {
                let from = reads.cell.position.load(SeqCst);
                if reads.tp == *tp && from < to {
                    member.inbox.push(Event::Expired { lane: *lane, from, to });
                }
            }
        }
    }

    /// Whether what is published now arrives later.
    pub(super) fn are_publishes_delayed(&self) -> bool {
        let is_ahead = |until: &Instant| *until > Instant::now();
        self.faults.offline_until.is_some() || self.faults.publishes_after.as_ref().is_some_and(is_ahead)
    }

    /// The members of processes that live.
    #[cfg(feature = "testing")]
    pub(super) fn members(&self) -> Vec<(Arc<str>, MemberId)> {
        let members = self.groups.iter().flat_map(|(name, group)| {
            let alive = group.members.iter().filter(|(_, member)| member.alive && !member.external);
            alive.map(|(id, _)| (Arc::clone(name), *id))
        });
        members.collect()
    }

    /// Whether a member of a process that lives has stored what is not committed.
    #[cfg(feature = "testing")]
    pub(super) fn has_uncommitted(&self) -> bool {
        let members = self.groups.values().flat_map(|group| group.members.values());
        let alive = members.filter(|member| member.alive && !member.external);
        alive.flat_map(|member| member.lanes.values()).any(|lane| {
            !lane.cell.is_fenced() && lane.cell.stored().is_some_and(|stored| stored > lane.acked)
        })
    }

    pub(super) fn member(&mut self, group: &Arc<str>, id: MemberId) -> Option<&mut MemberState> {
        self.groups.get_mut(group)?.members.get_mut(&id)
    }

    pub(super) fn at(&mut self, when: Instant, due: ScheduledEvent) {
        let number = self.number();
        self.agenda.insert((when, number), due);
    }

    /// A record counts as seen from being handed to a living lane. A lane that is revoked, dropped or not yet there has
    /// seen nothing but what is committed: the rest will come again.
    pub(super) fn unseen(&self) -> bool {
        use std::sync::atomic::Ordering::SeqCst;
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

/// What Kafka refuses unless a topic says otherwise: `message.timestamp.after.max.ms`, an hour.
const FUTURE: i64 = 3_600_000;

/// Whether Kafka would make such a topic.
fn is_topic_name(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (1..=249).contains(&name.len()) && name.chars().all(legal) && name != "." && name != ".."
}

/// Refuses what a broker would.
pub(super) fn check_future(record: &Outgoing, now: i64) -> Result<(), PublishError> {
    let Some(timestamp) = record.timestamp.filter(|timestamp| *timestamp > now.saturating_add(FUTURE)) else {
        return Ok(());
    };
    Err(PublishError {
        kind: PublishErrorKind::Permanent,
        topic: record.topic.to_string(),
        message: format!(
            "the timestamp {timestamp} is more than an hour ahead of the broker's clock ({now}), which brokers refuse \
             (`message.timestamp.after.max.ms`): set an earlier one, or leave it out"
        ),
    })
}
