//! Rebalances that wait for their answer, in their order.

use faststream_core::TopicPartition;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faststream_core::broker::{Epoch, Event, Lane, RevocationId};
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::Offset;

use super::assignment::{self, StartAt};
use super::control::Control;
use super::lane::{KafkaLane, LaneHandle};
use super::offsets::{Begin, OffsetFetch, Starts};
use super::topic_ids::note;
use super::wakeup;
use crate::native::{PartitionQueue, store_offset};

/// What an answer waits for the result of a commit: until then all partitions of the client are paused.
const ANSWERED: Duration = Duration::from_millis(100);

/// A rebalance that was recorded and not answered.
pub(super) enum Rebalance {
    Assign {
        partitions: Vec<TopicPartition>,
        fetch: Option<(OffsetFetch, Starts)>,
    },
    Revoke {
        partitions: Vec<TopicPartition>,
        kind: Revoke,
        id: Option<RevocationId>,
        answered: Option<Instant>,
    },
}

/// Why lanes end.
#[derive(Clone, Copy)]
pub(super) enum Revoke {
    /// Somebody else gets the partitions.
    Moved,
    /// Somebody else may have them already.
    Lost,
    /// Nobody else: the partition's log began again, at this offset.
    Truncated(i64),
    /// Nobody else: the topic is another one.
    Remade,
}

impl Control {
    /// librdkafka pauses all partitions until a rebalance is answered, and lets them go on at its own position: where an
    /// error came last, that is behind a record that was never read. To be called before the answer.
    fn realign(&self) {
        let consumer = self.client.consumer();
        for (tp, lane) in self.lanes.iter().filter(|(_, lane)| lane.is_drifted()) {
            let next = Offset::Offset(lane.settled_position());
            // Without waiting: it is done before the answer, on the same thread.
            self.answered("seek", consumer.seek(&tp.topic, tp.partition, next, Duration::ZERO));
        }
    }

    /// Answers what can be answered, strictly in order.
    pub(super) fn handle_rebalances(&mut self) {
        if self.closing.is_some() {
            return;
        }
        while let Some(rebalance) = self.rebalances.pop_front() {
            let waits = match rebalance {
                Rebalance::Assign { partitions, fetch } => self.handle_assign(partitions, fetch),
                Rebalance::Revoke { partitions, kind, id, answered } => {
                    self.handle_revoke(partitions, kind, id, answered)
                }
            };
            if let Some(rebalance) = waits {
                self.rebalances.push_front(rebalance);
                return;
            }
        }
    }

    fn handle_assign(
        &mut self,
        partitions: Vec<TopicPartition>,
        fetch: Option<(OffsetFetch, Starts)>,
    ) -> Option<Rebalance> {
        if partitions.is_empty() {
            self.realign();
            self.answered("assign", assignment::assign(self.client.consumer(), &[]));
            self.notify(Event::Assigned(Vec::new()));
            wakeup::leaders(&self.client, self.lanes.keys().cloned().collect());
            return None;
        }
        let (mut fetch, mut known) = fetch.unwrap_or_else(|| {
            (OffsetFetch::begin(&self.client, &self.request, partitions.clone()), Starts::new())
        });
        known.extend(fetch.known_now());
        if !fetch.is_done() && !fetch.is_held_up() {
            return Some(Rebalance::Assign { partitions, fetch: Some((fetch, known)) });
        }
        let had_none = self.lanes.is_empty();
        let kept = self.lanes.keys().cloned().collect();
        let lanes = self.open(&known);
        // The rest is assigned without a lane: nothing is read before the offsets are known. Its queues are taken all the
        // same, or what librdkafka fetches by itself would land on the consumer's.
        for tp in partitions.iter().filter(|tp| !known.contains_key(tp)) {
            if let Some(queue) = PartitionQueue::take(&self.client, &tp.topic, tp.partition) {
                self.opening.insert(tp.clone(), queue);
            }
        }
        let start = |tp: TopicPartition| {
            let next = known.get(&tp).map(|begin| begin.next);
            (tp, next)
        };
        let starts: Vec<StartAt> = partitions.into_iter().map(start).collect();
        self.realign();
        self.answered("assign", assignment::assign(self.client.consumer(), &starts));
        self.committer.assigned(had_none);
        self.notify(Event::Assigned(lanes));
        wakeup::leaders(&self.client, kept);
        if !fetch.is_done() {
            self.pending_fetches.push(fetch);
        }
        None
    }

    /// Partitions to begin again, and those whose offsets came after the answer. Not while a rebalance waits for its
    /// answer: librdkafka would take this for it, and give away what is still at work. Nor while a commit is in flight:
    /// librdkafka begins nothing before its result.
    pub(super) fn apply_restarts(&mut self) {
        let is_asked = !self.rebalances.is_empty() || self.client.context().awaits_answer();
        if is_asked || self.closing.is_some() || self.committer.is_busy() {
            return;
        }
        let misrouted = std::mem::take(&mut self.misrouted).into_iter();
        let misrouted: Vec<StartAt> = misrouted
            .filter_map(|(tp, offset)| {
                let start = offset.min(self.lanes.get(&tp)?.position());
                Some((tp, Some(start)))
            })
            .collect();
        if !misrouted.is_empty() {
            self.restart(misrouted);
        }
        let restarts = std::mem::take(&mut self.restarts);
        if !restarts.is_empty() {
            self.begin_again(restarts);
        }
        self.take_pending_fetches();
    }

    /// Partitions whose offsets came after the answer.
    fn take_pending_fetches(&mut self) {
        let mut starts = Starts::new();
        for fetch in &mut self.pending_fetches {
            starts.extend(fetch.known_now());
        }
        self.pending_fetches.retain(|fetch| !fetch.is_done());
        if !starts.is_empty() {
            faststream_core::log::info!(group = %self.request.group, partitions = starts.len(), "committed offsets are known now");
            self.begin_again(starts);
        }
    }

    /// Opens lanes at these offsets, in partitions that are assigned already.
    fn begin_again(&mut self, starts: Starts) {
        for tp in starts.keys() {
            // Gone before the new one is there: its callback would end the new one's.
            drop(self.opening.remove(tp));
        }
        let lanes = self.open(&starts);
        self.restart(starts.into_iter().map(|(tp, begin)| (tp, Some(begin.next))).collect());
        self.notify(Event::Assigned(lanes));
    }

    /// Makes librdkafka begin these partitions of the assignment again; in a group of the eager kind, all of them.
    pub(super) fn restart(&mut self, some: Vec<StartAt>) {
        let consumer = self.client.consumer();
        let all = self.positions();
        for (tp, start) in all.iter().chain(&some) {
            if let (Some(lane), Some(start)) = (self.lanes.get(tp), start) {
                lane.expect_replay(*start);
            }
        }
        self.answered("restart", assignment::restart(consumer, &some, &all));
        let is_hit = |tp: &TopicPartition| some.iter().any(|(hit, _)| hit == tp);
        for (tp, lane) in &self.lanes {
            lane.replay_has_begun();
            if is_hit(tp) || !assignment::is_cooperative(consumer) {
                lane.store_again(&self.client);
            }
        }
    }

    /// All of the assignment, with what is to be fetched next.
    fn positions(&self) -> Vec<StartAt> {
        let opening = self.opening.keys().map(|tp| (tp.clone(), None));
        self.lanes.iter().map(|(tp, lane)| (tp.clone(), Some(lane.position()))).chain(opening).collect()
    }

    fn handle_revoke(
        &mut self,
        partitions: Vec<TopicPartition>,
        kind: Revoke,
        id: Option<RevocationId>,
        answered: Option<Instant>,
    ) -> Option<Rebalance> {
        let Some(id) = id else {
            if !matches!(kind, Revoke::Truncated(_) | Revoke::Remade) {
                self.pending_fetches.iter_mut().for_each(|fetch| fetch.forget(&partitions));
            }
            self.revocations += 1;
            let id = RevocationId(self.revocations);
            let lanes: Vec<Epoch> =
                partitions.iter().filter_map(|tp| self.lanes.get(tp)).map(|lane| lane.epoch).collect();
            // Before the member hears of it: its answer may come at once.
            self.rebalances.push_front(Rebalance::Revoke { partitions, kind, id: Some(id), answered: None });
            self.notify(Event::Revoked { id, lanes, lost: !matches!(kind, Revoke::Moved) });
            let rebalance = self.rebalances.pop_front()?;
            let Rebalance::Revoke { answered: Some(_), .. } = rebalance else { return Some(rebalance) };
            let Rebalance::Revoke { partitions, kind, id, answered } = rebalance else { return None };
            return self.handle_revoke(partitions, kind, id, answered);
        };
        // librdkafka commits what is given back at once: behind a commit that may come again.
        let waits = matches!(kind, Revoke::Moved) && self.committer.is_busy();
        if answered.is_none_or(|since| waits && since.elapsed() < ANSWERED) {
            return Some(Rebalance::Revoke { partitions, kind, id: Some(id), answered });
        }
        self.give_back(&partitions);
        let set_back = match kind {
            Revoke::Truncated(start) => Some(start),
            Revoke::Remade => Some(0),
            Revoke::Moved | Revoke::Lost => None,
        };
        if let Some(start) = set_back {
            for tp in partitions {
                // Which topic it is now is asked again after a log began again by itself.
                let is_remade = matches!(kind, Revoke::Remade);
                let topic_id = self.topic_ids.current(&tp.topic).filter(|_| is_remade);
                self.set_back(tp, Begin { next: start, topic_id, is_uncommitted: true });
            }
            return None;
        }
        self.realign();
        self.answered("revoke", assignment::unassign(self.client.consumer(), &partitions));
        wakeup::leaders(&self.client, self.lanes.keys().cloned().collect());
        None
    }

    /// A log began again: what the group has committed is beyond records that were not handled.
    fn set_back(&mut self, tp: TopicPartition, begin: Begin) {
        let (start, note) = (begin.next, begin.topic_id.as_ref().map(note));
        // librdkafka commits what is stored, whenever the partition is given back or begins again.
        if let Err(error) = store_offset(&self.client, &tp.topic, tp.partition, start, note.as_deref()) {
            let text = format_args!("{tp}: offset {start} was not stored: {error:?}");
            self.client.context().errors.log("store", text);
        }
        self.restarts.insert(tp, begin);
    }

    /// Fences the lanes of these partitions and drops their queues.
    fn give_back(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            self.restarts.remove(tp);
            self.misrouted.remove(tp);
            if let Some(lane) = self.lanes.remove(tp) {
                drop(lane.fence());
            }
            drop(self.opening.remove(tp));
        }
    }

    /// New lanes, with their queues taken: to be done before the partitions are assigned.
    fn open(&mut self, starts: &Starts) -> Vec<Box<dyn Lane>> {
        let mut lanes: Vec<Box<dyn Lane>> = Vec::new();
        for (tp, begin) in starts {
            if let Some(old) = self.lanes.remove(tp) {
                faststream_core::log::warn!(group = %self.request.group, topic = %tp.topic, partition = tp.partition, "assigned twice");
                drop(old.fence());
            }
            let Some(queue) = PartitionQueue::take(&self.client, &tp.topic, tp.partition) else { continue };
            let lane = Arc::new(LaneHandle::new(tp.clone(), begin, queue));
            self.lanes.insert(tp.clone(), Arc::clone(&lane));
            lanes.push(Box::new(KafkaLane::new(lane, Arc::clone(&self.client))));
        }
        lanes
    }

    pub(super) fn answered(&self, what: &str, result: rdkafka::error::KafkaResult<()>) {
        if let Err(error) = result {
            self.client.context().errors.log(what, format_args!("answering a rebalance ({what}): {error}"));
        }
    }
}
