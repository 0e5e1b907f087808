//! What the cluster knows of a group and of its members.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::assignment::OpenedLane;
use super::cell::OffsetCell;
use crate::TopicPartition;
use crate::broker::{AtJoin, Epoch, Event, GroupRequest, RevocationId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::memory) struct MemberId(pub(in crate::memory) u64);

#[derive(Debug, Default)]
pub(in crate::memory) struct GroupState {
    pub(in crate::memory) members: BTreeMap<MemberId, MemberState>,
    pub(in crate::memory) owners: BTreeMap<TopicPartition, Owner>,
    pub(in crate::memory) committed: BTreeMap<TopicPartition, i64>,
    /// Where the last lane of each partition began.
    pub(super) began: BTreeMap<TopicPartition, i64>,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::memory) struct Owner {
    pub(in crate::memory) member: MemberId,
    pub(in crate::memory) epoch: Epoch,
    pub(in crate::memory) revoking: bool,
}

/// A member as the coordinator and its own client know it.
#[derive(Debug)]
pub(in crate::memory) struct MemberState {
    pub(in crate::memory) request: GroupRequest,
    /// The topics that there were when it joined.
    pub(super) at_join: AtJoin,
    pub(in crate::memory) inbox: Arc<MemberInbox>,
    /// Whether the coordinator counts it in.
    pub(super) joined: bool,
    /// Whether its process lives.
    pub(in crate::memory) alive: bool,
    /// Made by a test: it owns partitions and answers at once, and reads nothing.
    pub(in crate::memory) external: bool,
    pub(in crate::memory) lanes: BTreeMap<Epoch, MemberLane>,
    /// Revocations that it has not answered; whether the membership was lost.
    pub(in crate::memory) open: BTreeMap<RevocationId, (Vec<Epoch>, bool)>,
    /// The commit request that is in flight.
    pub(in crate::memory) commit: Option<CommitRequest>,
}

#[derive(Debug)]
pub(in crate::memory) struct MemberLane {
    pub(in crate::memory) tp: TopicPartition,
    pub(in crate::memory) cell: Arc<OffsetCell>,
    /// The next offset that the broker confirmed of this lane; -1 for none.
    pub(in crate::memory) acked: i64,
}

/// A commit request in flight.
#[derive(Debug, Clone)]
pub(in crate::memory) struct CommitRequest {
    pub(in crate::memory) number: u64,
    /// Lane, partition, next offset.
    pub(in crate::memory) offsets: Vec<(Epoch, TopicPartition, i64)>,
    /// Whether the broker never sees it.
    pub(in crate::memory) lost: bool,
    /// Whether another follows it.
    pub(in crate::memory) again: bool,
}

/// Messages to a member, which a task of its own carries to it.
#[derive(Debug, Default)]
pub(in crate::memory) struct MemberInbox {
    messages: Mutex<VecDeque<InboxMessage>>,
    pub(in crate::memory) arrived: Notify,
}

/// What the cluster has for a member.
#[derive(Debug)]
pub(in crate::memory) enum InboxMessage {
    /// Partitions to read; may be empty.
    Assigned(Vec<OpenedLane>),
    /// Anything else.
    Event(Event),
}

impl MemberInbox {
    pub(in crate::memory) fn push(&self, event: Event) {
        self.push_message(InboxMessage::Event(event));
    }

    pub(super) fn push_assigned(&self, lanes: Vec<OpenedLane>) {
        self.push_message(InboxMessage::Assigned(lanes));
    }

    pub(in crate::memory) fn pop(&self) -> Option<InboxMessage> {
        self.lock().pop_front()
    }

    fn push_message(&self, message: InboxMessage) {
        self.lock().push_back(message);
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<InboxMessage>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
