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
//! 1. **Opening.** An assignment is answered at most a second after the group sent it, whether all committed offsets are
//!    known or not: until the answer, librdkafka pauses every partition of the client. A partition without an offset is
//!    assigned all the same, and its queue is taken out of the consumer's queue, or what librdkafka fetches by itself
//!    would land there. Nobody reads that queue. It is dropped before the lane takes the partition's queue again: two
//!    references share one callback, and dropping the older one would turn off the callback of the newer one.
//! 2. **Open.** The partition has a lane: its task reads the queue and stores offsets. What the control thread knows of the
//!    lane between two turns is kept here too (a message that arrived at the wrong queue, records that cannot be read, since
//!    when it does not fetch, what it has fetched ahead), so that it ends with the lane and cannot be applied to the next.
//! 3. **Restarting.** The lane is fenced and gone, the partition is still assigned, and it begins again at a known offset as
//!    soon as that is allowed: not while a rebalance waits for its answer (librdkafka would take the assignment for that
//!    answer, and give away partitions whose calls still run), nor while a commit is in flight (librdkafka begins nothing
//!    before its result).
//! 4. **Left.** The group is being left and the lane is fenced. Results of its last commit are still reported for it.
//!
//! A lane is always fenced before it leaves `Open`: from then on it stores nothing and receives no message, whatever its
//! task does. A partition that the client had paused for its lane stays paused in librdkafka beyond the assignment, so it is
//! remembered as *released* and resumed for whoever reads it next: otherwise, assigned again, it would never fetch a record.

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
    all: BTreeMap<TopicPartition, Partition>,
    /// Fetches that an assignment did not wait for: the offsets of opening partitions.
    fetches: Vec<OffsetFetch>,
    /// Paused in the client for lanes that are gone: to be resumed.
    released: BTreeSet<TopicPartition>,
}

/// One partition; the module's documentation explains the states.
enum Partition {
    /// Assigned, its offset is not known. The queue is held so that nothing lands on the consumer's.
    Opening { _queue: PartitionQueue },
    /// With a lane.
    Open(OpenPartition),
    /// Assigned, without a lane until it may begin again.
    Restarting(Begin),
    /// Of a group that is being left.
    Left(Arc<LaneHandle>),
}

impl Partitions {
    /// Opens lanes at these offsets, with their queues taken. To be called before the partitions are assigned.
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

    /// Partitions that are about to be assigned without an offset: `fetch` finds it later.
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

    /// Nobody waits for the offsets of these any more.
    pub(super) fn forget_fetches(&mut self, partitions: &[TopicPartition]) {
        self.fetches.iter_mut().for_each(|fetch| fetch.forget(partitions));
    }

    /// Offsets that came after the assignment was answered.
    pub(super) fn take_fetched(&mut self) -> Starts {
        let mut starts = Starts::new();
        for fetch in &mut self.fetches {
            starts.extend(fetch.known_now());
        }
        self.fetches.retain(|fetch| !fetch.is_done());
        starts
    }

    /// Fences the lanes of these partitions and drops their queues.
    pub(super) fn give_back(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            drop(self.end(tp));
        }
    }

    /// A partition that is still assigned begins again there, as soon as it may. Its lane was given back.
    pub(super) fn restart_at(&mut self, tp: TopicPartition, begin: Begin) {
        self.all.insert(tp, Partition::Restarting(begin));
    }

    /// The task of this lane died: the partition begins again behind what is finished.
    pub(super) fn reopen(&mut self, epoch: Epoch) {
        let found = self.lanes().find(|lane| lane.epoch == epoch).map(Arc::clone);
        // A revocation may have ended it meanwhile.
        if let Some(lane) = found {
            drop(self.end(&lane.tp));
            self.restart_at(lane.tp.clone(), lane.replay());
        }
    }

    /// The partitions that begin again.
    pub(super) fn take_restarts(&mut self) -> Starts {
        let begin = |(tp, partition): (&TopicPartition, &Partition)| match partition {
            Partition::Restarting(begin) => Some((tp.clone(), begin.clone())),
            _ => None,
        };
        let starts: Starts = self.all.iter().filter_map(begin).collect();
        self.all.retain(|tp, _| !starts.contains_key(tp));
        starts
    }

    /// A message arrived at the consumer's queue: the lane has not seen it.
    pub(super) fn mark_misrouted(&mut self, tp: &TopicPartition, offset: i64) {
        if let Some(Partition::Open(open)) = self.all.get_mut(tp) {
            open.mark_misrouted(offset);
        }
    }

    /// Where fetching begins again because messages arrived at the consumer's queue.
    pub(super) fn take_misrouted(&mut self) -> Vec<StartAt> {
        let misrouted = |(tp, open): (&TopicPartition, &mut OpenPartition)| {
            Some((tp.clone(), Some(open.take_misrouted()?)))
        };
        self.open_mut().filter_map(misrouted).collect()
    }

    /// Logs that were made anew or cut, and where they began again: what is read from there on are other records, for a new
    /// lane. The lanes are fenced.
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

    /// Partitions that are paused in the client for lanes that are gone.
    pub(super) fn take_released(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.released).into_iter().collect()
    }

    /// Fences all lanes: the group is being left.
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

    /// Ends the state of a partition, and its lane.
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
    /// Partitions with a lane.
    pub(super) fn open_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut OpenPartition)> {
        self.all.iter_mut().filter_map(|(tp, partition)| match partition {
            Partition::Open(open) => Some((tp, open)),
            _ => None,
        })
    }

    /// The lanes, in the order of their partitions.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Arc<LaneHandle>> {
        self.all.values().filter_map(|partition| match partition {
            Partition::Open(open) => Some(&open.lane),
            _ => None,
        })
    }

    pub(super) fn lane(&self, tp: &TopicPartition) -> Option<&Arc<LaneHandle>> {
        match self.all.get(tp)? {
            Partition::Open(open) => Some(&open.lane),
            _ => None,
        }
    }

    /// The lane that a result of a commit belongs to, also when the group is being left.
    pub(super) fn committed_lane(&self, tp: &TopicPartition) -> Option<&Arc<LaneHandle>> {
        match self.all.get(tp)? {
            Partition::Open(OpenPartition { lane, .. }) | Partition::Left(lane) => Some(lane),
            _ => None,
        }
    }

    /// The partitions with a lane.
    pub(super) fn with_lanes(&self) -> Vec<TopicPartition> {
        self.lanes().map(|lane| lane.tp.clone()).collect()
    }

    pub(super) fn has_lanes(&self) -> bool {
        self.lanes().next().is_some()
    }

    /// How many have a lane.
    pub(super) fn count(&self) -> usize {
        self.lanes().count()
    }

    /// All of the assignment that fetches, with what is to be fetched next.
    pub(super) fn positions(&self) -> Vec<StartAt> {
        let position = |(tp, partition): (&TopicPartition, &Partition)| match partition {
            Partition::Open(open) => Some((tp.clone(), Some(open.lane.position()))),
            Partition::Opening { .. } => Some((tp.clone(), None)),
            Partition::Restarting(_) | Partition::Left(_) => None,
        };
        self.all.iter().filter_map(position).collect()
    }

    /// Whether every partition is open and needs nothing: nothing is to be done before something happens.
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
        Begin { next, topic_id: None, is_uncommitted: false }
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
