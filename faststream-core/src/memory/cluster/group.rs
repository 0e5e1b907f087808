//! The data of a group and of its members.
//!
//! It holds two views of a member side by side: what the coordinator knows (ownership, membership) and what the
//! member's own client knows (lanes, commits in flight). After a crash they differ until the session expires.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::assignment::OpenedLane;
use super::cell::OffsetCell;
use crate::TopicPartition;
use crate::broker::{AtJoin, Epoch, Event, GroupRequest, RevocationId};

/// The number of a member. Unique in the broker, and never reused: a member that joins after a crash is another
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::memory) struct MemberId(pub(in crate::memory) u64);

/// A group.
#[derive(Debug, Default)]
pub(in crate::memory) struct GroupState {
    /// The members, from their join until they leave or their session expires.
    pub(in crate::memory) members: BTreeMap<MemberId, MemberState>,
    /// The owner of each partition that is assigned. A partition has one owner at most, and keeps it until a
    /// revocation is answered.
    pub(in crate::memory) owners: BTreeMap<TopicPartition, Owner>,
    /// The next offset that was committed, for each partition.
    pub(in crate::memory) committed: BTreeMap<TopicPartition, i64>,
    /// The offset at which the last lane of each partition began. Without a commit, it shows which deleted records
    /// the group still had to read.
    pub(super) began: BTreeMap<TopicPartition, i64>,
}

/// The owner of a partition.
#[derive(Debug, Clone, Copy)]
pub(in crate::memory) struct Owner {
    /// The member.
    pub(in crate::memory) member: MemberId,
    /// The lane that reads it. Known before the lane exists: a failed offset fetch delays the lane.
    pub(in crate::memory) epoch: Epoch,
    /// Whether a revocation waits for the member's answer.
    pub(in crate::memory) revoking: bool,
}

/// A member as the coordinator and its own client know it.
#[derive(Debug)]
pub(in crate::memory) struct MemberState {
    /// The topics that it reads, and its settings.
    pub(in crate::memory) request: GroupRequest,
    /// The topics that existed when it joined. `Start::Latest` skips only their records.
    pub(super) at_join: AtJoin,
    /// The events that its task has not passed on yet.
    pub(in crate::memory) inbox: Arc<MemberInbox>,
    /// Whether the coordinator counts it in when it computes shares. False between a lost membership and the
    /// answer to the revocation that reports it.
    pub(super) joined: bool,
    /// Whether its process lives. The coordinator does not see this before the session expires.
    pub(in crate::memory) alive: bool,
    /// Whether a test made it as a member of another process: it owns partitions, answers at once, and reads
    /// nothing.
    pub(in crate::memory) external: bool,
    /// The lanes that its client has open, until they are released.
    pub(in crate::memory) lanes: BTreeMap<Epoch, MemberLane>,
    /// The revocations that it has not answered: their lanes, and whether the membership was lost.
    pub(in crate::memory) open: BTreeMap<RevocationId, (Vec<Epoch>, bool)>,
    /// The commit request that is in flight; one at most.
    pub(in crate::memory) commit: Option<CommitRequest>,
}

/// A lane as the client of its member knows it.
#[derive(Debug)]
pub(in crate::memory) struct MemberLane {
    /// The partition.
    pub(in crate::memory) tp: TopicPartition,
    /// Its offsets, which the lane itself writes.
    pub(in crate::memory) cell: Arc<OffsetCell>,
    /// The next offset that the broker confirmed for this lane; -1 for none. Whatever was stored beyond it is to
    /// be committed.
    pub(in crate::memory) acked: i64,
}

/// A commit request in flight: one that a fault delays or loses. Others are answered at once.
#[derive(Debug, Clone)]
pub(in crate::memory) struct CommitRequest {
    /// Identifies the request when its time is over.
    pub(in crate::memory) number: u64,
    /// Lane, partition and next offset. A lane that is released meanwhile is removed from it.
    pub(in crate::memory) offsets: Vec<(Epoch, TopicPartition, i64)>,
    /// Whether the broker never sees the request.
    pub(in crate::memory) lost: bool,
    /// Whether another request follows its answer, because somebody asked for a commit meanwhile.
    pub(in crate::memory) again: bool,
}

/// The messages to a member, which the member's own task passes to it. The coordinator never runs code of the
/// member, so it can send them under its lock.
#[derive(Debug, Default)]
pub(in crate::memory) struct MemberInbox {
    /// The messages that were not taken yet, in their order.
    messages: Mutex<VecDeque<InboxMessage>>,
    /// Notified by each message.
    pub(in crate::memory) arrived: Notify,
}

/// A message of the coordinator to a member.
#[derive(Debug)]
pub(in crate::memory) enum InboxMessage {
    /// Partitions to read; may be empty. The client turns each into a lane of the contract.
    Assigned(Vec<OpenedLane>),
    /// Any other event, passed on as it is.
    Event(Event),
}

impl MemberInbox {
    /// Sends an event.
    pub(in crate::memory) fn push(&self, event: Event) {
        self.push_message(InboxMessage::Event(event));
    }

    /// Sends partitions to read.
    pub(super) fn push_assigned(&self, lanes: Vec<OpenedLane>) {
        self.push_message(InboxMessage::Assigned(lanes));
    }

    /// Takes the oldest message.
    pub(in crate::memory) fn pop(&self) -> Option<InboxMessage> {
        self.lock().pop_front()
    }

    /// Adds a message, and wakes the member's task.
    fn push_message(&self, message: InboxMessage) {
        self.lock().push_back(message);
        self.arrived.notify_one();
    }

    /// Takes the lock. A panic of an earlier holder is ignored.
    fn lock(&self) -> MutexGuard<'_, VecDeque<InboxMessage>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
