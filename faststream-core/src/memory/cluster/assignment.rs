//! How an assigned partition becomes a lane: where it begins, and when it is opened again.
//!
//! A lane opens in two steps, as in a real client: the coordinator makes a member the owner (`rebalance`), then
//! the client fetches the committed offset and opens the lane. Between the two the partition has an owner and no
//! reader; a failed offset fetch prolongs that by 100 ms each.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cell::OffsetCell;
use super::group::{MemberId, MemberLane};
use super::log::PartitionLog;
use super::shared::SharedCluster;
use super::state::{ClusterState, ScheduledEvent};
use crate::TopicPartition;
use crate::broker::{Epoch, Event};
use crate::memory::observer::BrokerEvent;
use crate::policy::Start;

/// The time until a failed offset fetch is retried. The Kafka backend retries as often.
const OFFSET_FETCH_RETRY: Duration = Duration::from_millis(100);

/// A partition that a member reads from now on. Dropping it ends the lane, and the observer sees that.
#[derive(Debug)]
pub(in crate::memory) struct OpenedLane {
    /// Its offsets.
    pub(in crate::memory) cell: Arc<OffsetCell>,
    /// The records.
    pub(in crate::memory) log: Arc<PartitionLog>,
    /// The offset at which it begins: committed, stored by the lane before it, or by the start policy.
    pub(in crate::memory) start: i64,
    /// For faults, the observer, and the tracker of work in progress.
    pub(in crate::memory) shared: Arc<SharedCluster>,
}

impl ClusterState {
    /// Opens the lanes of an assignment and sends them to the member, or schedules a retry if the offset fetch
    /// fails.
    ///
    /// A lane whose partition was lost or is being revoked by now is left out. If retention deleted records that
    /// the group still had to read, `Event::Expired` follows the assignment.
    pub(in crate::memory) fn notify_assigned(
        &mut self,
        shared: &Arc<SharedCluster>,
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
        let mut lanes = Vec::new();
        let mut expired = Vec::new();
        for (tp, epoch) in partitions {
            let start = self.start_of(name, id, &tp);
            expired.extend(self.expired(name, &tp, start).map(|from| (epoch, from, start)));
            lanes.extend(self.open(shared, name, id, tp, epoch, start));
        }
        if let Some(member) = self.member(name, id).filter(|_| !lanes.is_empty()) {
            member.inbox.push_assigned(lanes);
            for (lane, from, to) in expired {
                member.inbox.push(Event::Expired { lane, from, to });
            }
        }
    }

    /// Returns the next offset that the group had to read, if records were deleted between it and the start of
    /// this lane. Also stores where this lane begins, for the next call.
    fn expired(&mut self, name: &Arc<str>, tp: &TopicPartition, start: i64) -> Option<i64> {
        let group = self.groups.get_mut(name)?;
        let began = group.began.insert(tp.clone(), start);
        let next = group.committed.get(tp).copied().or(began);
        next.filter(|next| *next < start)
    }

    /// Returns the offset at which a lane begins: the committed one, or where the start policy begins without a
    /// commit.
    ///
    /// `Start::Latest` skips only the records of partitions that existed when a new group joined. A partition that
    /// came later is read from its oldest record, or its first records would be lost.
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

    /// Opens a lane at `start`: notes it at the member, notifies the observer, and returns it for the inbox.
    /// `None` if the log or the member does not exist.
    fn open(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
        tp: TopicPartition,
        epoch: Epoch,
        start: i64,
    ) -> Option<OpenedLane> {
        let log = self.log(&tp)?;
        let cell = Arc::new(OffsetCell::new(epoch, start));
        let (group, topic, partition) = (name, &*log.topic, log.partition);
        shared.observe(&BrokerEvent::Assigned { group, member: id.0, lane: epoch, topic, partition, start });
        let lane = MemberLane { tp, cell: Arc::clone(&cell), acked: -1 };
        self.member(name, id)?.lanes.insert(epoch, lane);
        Some(OpenedLane { cell, log, start, shared: Arc::clone(shared) })
    }

    /// Ends a lane whose task died, and opens its partition again, at the committed or stored offset, whichever is
    /// later. If the partition has been revoked or lost meanwhile, it only ends the lane.
    pub(in crate::memory) fn reopen(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
        old: Epoch,
    ) {
        let Some(lane) = self.member(name, id).and_then(|member| member.lanes.remove(&old)) else { return };
        lane.cell.fence();
        shared.observe(&BrokerEvent::Reopened { lane: old });
        let committed = self.start_of(name, id, &lane.tp);
        let start = lane.cell.stored().unwrap_or(0).max(committed);
        let take_over = Some(start).filter(|start| *start > committed);
        self.open_again(shared, name, id, old, lane.tp, start, take_over);
    }

    /// Ends a lane, and opens its partition again at this offset. What the lane stored is committed by now.
    pub(in crate::memory) fn seek(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
        old: Epoch,
        next: i64,
    ) {
        let Some(lane) = self.member(name, id).and_then(|member| member.lanes.remove(&old)) else { return };
        lane.cell.fence();
        let Some(log) = self.log(&lane.tp) else { return };
        let start = next.max(log.start());
        shared.observe(&BrokerEvent::Sought { lane: old, next: start });
        self.open_again(shared, name, id, old, lane.tp, start, None);
    }

    /// Opens the partition of a lane that has ended, unless it is being given back. `take_over` is yet to be committed,
    /// even if no other record ever finishes.
    #[allow(clippy::too_many_arguments, reason = "where it reads, and from where on")]
    fn open_again(
        &mut self,
        shared: &Arc<SharedCluster>,
        name: &Arc<str>,
        id: MemberId,
        old: Epoch,
        tp: TopicPartition,
        start: i64,
        take_over: Option<i64>,
    ) {
        let epoch = Epoch::next();
        let Some(owner) = self.groups.get_mut(name).and_then(|group| group.owners.get_mut(&tp)) else {
            return;
        };
        if owner.epoch != old || owner.revoking {
            return;
        }
        owner.epoch = epoch;
        let Some(opened) = self.open(shared, name, id, tp, epoch, start) else { return };
        if let Some(next) = take_over {
            opened.cell.take_over(next);
        }
        if let Some(member) = self.member(name, id) {
            member.inbox.push_assigned(vec![opened]);
        }
    }
}

/// Ends the lane, whoever drops it: nobody reads the partition through it any more.
impl Drop for OpenedLane {
    fn drop(&mut self) {
        self.cell.fence();
        self.shared.observe(&BrokerEvent::LaneEnded { lane: self.cell.epoch });
        self.shared.idle.notify();
    }
}
