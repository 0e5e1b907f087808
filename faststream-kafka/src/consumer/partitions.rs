//! The partitions of the assignment, each in one state.
//!
//! A partition of a group goes through these states here, and only the methods of [`Partitions`] change them:
//!
//! ```text
//!   assigned, committed offset not known yet            assigned, committed offset known
//!                     │                                                 │
//!                     ▼            its offset is known                  ▼
//!                  Opening ───────────────────────────────────────►  Open ◄────────────┐
//!                     │                                               │ │              │ it begins again
//!                     │ revoked                               revoked │ │ its task     │
//!                     ▼                                               ▼ │ died, its log│
//!                 (removed)                                   (removed) │ began again  │
//!                                                                       └─► Restarting ┘
//!                         the group is left:  Open ──► Left
//! ```
//!
//! 1. **Opening.** An assignment is answered at most a second after the group sent it, whether or not all committed
//!    offsets are known, because librdkafka pauses every partition of the client until the answer. A partition without
//!    an offset is assigned anyway, and its queue is separated from the consumer's queue, or records that librdkafka
//!    fetches by itself would land there. Nothing reads the separate queue. It is dropped before the lane takes the
//!    partition's queue again: two references share one callback, and dropping the older one would turn off the
//!    callback of the newer one.
//! 2. **Open.** The partition has a lane: its task reads the queue and stores offsets. The state that the control
//!    thread keeps for the lane between two turns is stored here, too (a message that arrived in the wrong queue,
//!    records that cannot be read, since when it does not fetch, the records that it has fetched ahead). So it ends
//!    with the lane and cannot be applied to the next one.
//! 3. **Restarting.** The lane is fenced and gone, the partition is still assigned, and it begins again at a known
//!    offset as soon as that is allowed: not while a rebalance waits for its answer (librdkafka would take the
//!    assignment for that answer, and give away partitions whose calls still run), nor while a commit is in flight
//!    (librdkafka begins nothing before its result).
//! 4. **Left.** The group is being left and the lane is fenced. Results of its last commit are still reported for it.
//!
//! A lane is always fenced before it leaves `Open`: from then on it stores nothing and receives no message, whatever
//! its task does. A partition that the client had paused for its lane stays paused in librdkafka beyond the assignment.
//! So it is remembered as *released* and resumed for its next lane. Otherwise, assigned again, it would never fetch a
//! record.

mod commands;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use faststream_core::TopicPartition;
use faststream_core::broker::{Epoch, Lane};

use super::assignment::StartAt;
use super::client::ConsumerClient;
use super::lane::{KafkaLane, LaneHandle};
use super::offset_fetch::{Begin, OffsetFetch, Starts};
use super::open_partition::OpenPartition;
use crate::native::PartitionQueue;

/// The partitions of the assignment.
#[derive(Default)]
pub(super) struct Partitions {
    /// Every assigned partition. Without an entry a partition is not assigned, or belongs to an assignment without
    /// an answer.
    all: BTreeMap<TopicPartition, Partition>,
    /// Fetches that an assignment did not wait for: the offsets of opening partitions. Each is dropped, and its
    /// thread ends, once no partition waits for it.
    fetches: Vec<OffsetFetch>,
    /// Partitions that are paused in the client for former lanes, to be resumed at the next turn without a
    /// rebalance.
    released: BTreeSet<TopicPartition>,
}

/// One partition. The module's documentation explains the states.
enum Partition {
    /// Assigned, and its offset is not known. The queue is held so that no record lands in the consumer's queue.
    Opening { _queue: PartitionQueue },
    /// With a lane, which its task reads.
    Open(OpenPartition),
    /// Assigned, and without a lane until it may begin again, at this offset.
    Restarting(Begin),
    /// Fenced, in a group that is being left. Kept only for the result of its last commit.
    Left(Arc<LaneHandle>),
}

impl Partitions {
    /// Opens lanes at these offsets, and takes their queues. Call it before the partitions are assigned.
    ///
    /// The lanes returned belong to the member; their handles stay here. A partition without a queue gets no lane,
    /// which happens only for a topic name with a null byte.
    pub(super) fn open(&mut self, client: &Arc<ConsumerClient>, starts: &Starts) -> Vec<Box<dyn Lane>> {
        let mut lanes: Vec<Box<dyn Lane>> = Vec::new();
        for (tp, begin) in starts {
            // A queue that an opening partition holds is dropped here, before the new one is taken.
            if let Some(Partition::Open(_)) = self.end(tp) {
                let group = &client.context().group;
                faststream_core::log::warn!(%group, topic = %tp.topic, partition = tp.partition, "assigned twice");
            }
            let Some(queue) = PartitionQueue::take(client.handle(), &tp.topic, tp.partition) else {
                continue;
            };
            let lane = Arc::new(LaneHandle::new(tp.clone(), begin, queue));
            self.all.insert(tp.clone(), Partition::Open(OpenPartition::new(Arc::clone(&lane))));
            lanes.push(Box::new(KafkaLane::new(lane, Arc::clone(client))));
        }
        lanes
    }

    /// Adds partitions that are about to be assigned without an offset; `fetch` finds it later, and `take_fetched`
    /// returns it.
    pub(super) fn await_offsets<'a>(
        &mut self,
        client: &Arc<ConsumerClient>,
        partitions: impl Iterator<Item = &'a TopicPartition>,
        fetch: OffsetFetch,
    ) {
        for tp in partitions {
            drop(self.end(tp));
            if let Some(queue) = PartitionQueue::take(client.handle(), &tp.topic, tp.partition) {
                self.all.insert(tp.clone(), Partition::Opening { _queue: queue });
            }
        }
        self.fetches.push(fetch);
    }

    /// Drops the fetches of these partitions, because nothing waits for their offsets any more.
    pub(super) fn forget_fetches(&mut self, partitions: &[TopicPartition]) {
        self.fetches.iter_mut().for_each(|fetch| fetch.forget(partitions));
    }

    /// Returns the offsets that arrived after the assignment was answered. Their partitions stay `Opening` until
    /// `open` is called for them.
    pub(super) fn take_fetched(&mut self) -> Starts {
        let mut starts = Starts::new();
        for fetch in &mut self.fetches {
            starts.extend(fetch.known_now());
        }
        self.fetches.retain(|fetch| !fetch.is_done());
        starts
    }

    /// Fences the lanes of these partitions and drops their queues. Waits for the lanes' locks, never for their
    /// tasks.
    pub(super) fn give_back(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            drop(self.end(tp));
        }
    }

    /// Restarts a partition that is still assigned at this offset, as soon as it may begin. Its lane was released:
    /// call `give_back` before.
    pub(super) fn restart_at(&mut self, tp: TopicPartition, begin: Begin) {
        self.all.insert(tp, Partition::Restarting(begin));
    }

    /// Restarts the partition of this lane after its last finished record, because the lane's task died. An epoch
    /// that has ended is ignored.
    pub(super) fn reopen(&mut self, epoch: Epoch) {
        if let Some(lane) = self.with_epoch(epoch) {
            drop(self.end(&lane.tp));
            self.restart_at(lane.tp.clone(), lane.replay());
        }
    }

    /// Returns the lane, unless a revocation has ended it meanwhile.
    fn with_epoch(&self, epoch: Epoch) -> Option<Arc<LaneHandle>> {
        self.lanes().find(|lane| lane.epoch == epoch).map(Arc::clone)
    }

    /// Returns the partitions to restart, and forgets them: the caller opens their lanes in the same turn.
    pub(super) fn take_restarts(&mut self) -> Starts {
        let begin = |(tp, partition): (&TopicPartition, &Partition)| match partition {
            Partition::Restarting(begin) => Some((tp.clone(), begin.clone())),
            _ => None,
        };
        let starts: Starts = self.all.iter().filter_map(begin).collect();
        self.all.retain(|tp, _| !starts.contains_key(tp));
        starts
    }

    /// Records that a message arrived in the consumer's queue: the lane has not seen it. Partitions without a lane
    /// are ignored.
    pub(super) fn mark_misrouted(&mut self, tp: &TopicPartition, offset: i64) {
        if let Some(Partition::Open(open)) = self.all.get_mut(tp) {
            open.mark_misrouted(offset);
        }
    }

    /// Returns where fetching restarts because messages arrived in the consumer's queue: at the first such
    /// message, or at the lane's position if that is earlier.
    pub(super) fn take_misrouted(&mut self) -> Vec<StartAt> {
        let misrouted = |(tp, open): (&TopicPartition, &mut OpenPartition)| {
            Some((tp.clone(), Some(open.take_misrouted()?)))
        };
        self.open_mut().filter_map(misrouted).collect()
    }

    /// Returns the logs that were recreated or truncated, and where they began again: the records from there on
    /// are others, for a new lane. The lanes are fenced, so a call that still runs cannot store an offset of the
    /// old log.
    pub(super) fn truncated(&self, group: &str) -> Vec<(TopicPartition, i64)> {
        let mut truncated = Vec::new();
        for lane in self.lanes() {
            let Some(start) = lane.truncated() else { continue };
            let TopicPartition { topic, partition } = &lane.tp;
            faststream_core::log::warn!(%group, %topic, partition, offset = start, expected = lane.position(),
                "the log began again before what was read: it was made anew or cut, and is handled from there on");
            drop(lane.fence());
            truncated.push((lane.tp.clone(), start));
        }
        truncated
    }

    /// Returns the partitions that are paused in the client for former lanes, and forgets them.
    pub(super) fn take_released(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.released).into_iter().collect()
    }

    /// Fences all lanes, because the group is being left. Partitions without a lane are dropped.
    pub(super) fn leave(&mut self) {
        self.all.retain(|_, partition| match partition {
            Partition::Open(open) => {
                drop(open.lane.fence());
                *partition = Partition::Left(Arc::clone(&open.lane));
                true
            }
            Partition::Left(_) => true,
            Partition::Opening { .. } | Partition::Restarting(_) => false,
        });
    }

    /// Ends the state of a partition, and its lane. Every lane that leaves the assignment passes through here, so
    /// that a paused partition is always remembered.
    fn end(&mut self, tp: &TopicPartition) -> Option<Partition> {
        let ended = self.all.remove(tp)?;
        if let Partition::Open(open) = &ended {
            drop(open.lane.fence());
            if open.is_paused() {
                self.released.insert(tp.clone());
            }
        }
        Some(ended)
    }
}

impl Partitions {
    /// Returns the partitions with a lane, in their order, for the checks of a turn.
    pub(super) fn open_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut OpenPartition)> {
        self.all.iter_mut().filter_map(|(tp, partition)| match partition {
            Partition::Open(open) => Some((tp, open)),
            _ => None,
        })
    }

    /// Returns the lanes, in the order of their partitions.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Arc<LaneHandle>> {
        self.all.values().filter_map(|partition| match partition {
            Partition::Open(open) => Some(&open.lane),
            _ => None,
        })
    }

    /// Returns the lanes that were fenced because the group is being left.
    pub(super) fn left(&self) -> impl Iterator<Item = &Arc<LaneHandle>> {
        self.all.values().filter_map(|partition| match partition {
            Partition::Left(lane) => Some(lane),
            _ => None,
        })
    }
    /// Returns the lane of a partition; `None` in every state but `Open`.
    pub(super) fn lane(&self, tp: &TopicPartition) -> Option<&Arc<LaneHandle>> {
        match self.all.get(tp)? {
            Partition::Open(open) => Some(&open.lane),
            _ => None,
        }
    }

    /// Returns the lane that a commit result belongs to, even when the group is being left.
    pub(super) fn committed_lane(&self, tp: &TopicPartition) -> Option<&Arc<LaneHandle>> {
        match self.all.get(tp)? {
            Partition::Open(OpenPartition { lane, .. }) | Partition::Left(lane) => Some(lane),
            _ => None,
        }
    }

    /// Returns the names of the partitions with a lane.
    pub(super) fn with_lanes(&self) -> Vec<TopicPartition> {
        self.lanes().map(|lane| lane.tp.clone()).collect()
    }

    /// Returns whether any partition has a lane.
    pub(super) fn has_lanes(&self) -> bool {
        self.lanes().next().is_some()
    }

    /// Returns how many partitions have a lane. Counts them at each call.
    pub(super) fn count(&self) -> usize {
        self.lanes().count()
    }

    /// Returns all fetching partitions of the assignment, with the next offset to fetch. Opening partitions are
    /// among them, because they are assigned; restarting ones are not, because nothing reads them yet.
    pub(super) fn positions(&self) -> Vec<StartAt> {
        let position = |(tp, partition): (&TopicPartition, &Partition)| match partition {
            Partition::Open(open) => Some((tp.clone(), Some(open.lane.position()))),
            Partition::Opening { .. } => Some((tp.clone(), None)),
            Partition::Restarting(_) | Partition::Left(_) => None,
        };
        self.all.iter().filter_map(position).collect()
    }

    /// Returns whether every partition is open and needs no work until something happens.
    pub(super) fn is_at_rest(&self) -> bool {
        let is_at_rest = |partition: &Partition| match partition {
            Partition::Open(open) => open.is_at_rest(),
            _ => false,
        };
        self.has_lanes()
            && self.fetches.is_empty()
            && self.released.is_empty()
            && self.all.values().all(is_at_rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::test_client;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("orders", partition)
    }

    fn begin(next: i64) -> Begin {
        Begin { next, topic_id: None, is_uncommitted: false, is_set_back: false }
    }

    fn starts(next: i64) -> Starts {
        Starts::from([(tp(0), begin(next)), (tp(1), begin(next))])
    }

    #[test]
    fn a_lane_that_died_begins_again_behind_what_is_finished() {
        let client = test_client();
        let mut partitions = Partitions::default();
        let lanes = partitions.open(&client, &starts(7));
        assert!(partitions.is_at_rest());
        partitions.mark_misrouted(&tp(0), 9);
        partitions.reopen(lanes[0].epoch());
        assert_eq!(partitions.with_lanes(), [tp(1)]);
        assert!(!partitions.is_at_rest(), "it waits until it may begin");
        assert_eq!(partitions.positions(), [(tp(1), Some(7))], "it is not assigned before it has a queue");
        assert_eq!(partitions.take_misrouted(), [], "what missed its lane is of that lane");
        let restarts = partitions.take_restarts();
        assert_eq!(
            restarts.iter().map(|(tp, begin)| (tp.clone(), begin.next)).collect::<Vec<_>>(),
            [(tp(0), 7)]
        );
        let again = partitions.open(&client, &restarts);
        assert_ne!(again[0].epoch(), lanes[0].epoch());
        partitions.reopen(lanes[0].epoch());
        assert!(partitions.is_at_rest(), "an epoch that is over changes nothing");
    }

    #[test]
    fn a_partition_that_was_paused_is_resumed_for_its_next_reader() {
        let client = test_client();
        let mut partitions = Partitions::default();
        drop(partitions.open(&client, &starts(0)));
        for (tp, open) in partitions.open_mut() {
            if tp.partition == 1 {
                open.ahead.pause();
            }
        }
        partitions.give_back(&[tp(0), tp(1)]);
        assert!(!partitions.has_lanes());
        assert_eq!(partitions.take_released(), [tp(1)]);
        assert_eq!(partitions.take_released(), []);
    }

    #[test]
    fn when_the_group_is_left_only_commits_are_reported() {
        let client = test_client();
        let mut partitions = Partitions::default();
        drop(partitions.open(&client, &starts(0)));
        partitions.give_back(&[tp(1)]);
        partitions.restart_at(tp(1), begin(3));
        partitions.leave();
        assert!(!partitions.has_lanes() && partitions.lane(&tp(0)).is_none());
        assert!(partitions.committed_lane(&tp(0)).is_some() && partitions.committed_lane(&tp(1)).is_none());
        assert!(partitions.take_restarts().is_empty() && partitions.positions().is_empty());
    }
}
