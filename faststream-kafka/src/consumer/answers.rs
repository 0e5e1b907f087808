//! Applies the steps that rebalances and partitions require: opens and ends lanes, and answers librdkafka.
//!
//! Only this module makes librdkafka assign, unassign and restart partitions while the group is not being left.
//! All of it runs on the control thread, and none of it waits for a broker.
//!
//! The order inside an answer matters:
//!
//! 1. *Assign*: take the queues of the new partitions, seek drifted lanes, call assign, report the lanes to the
//!    member, wake the leaders of kept partitions. A queue that is taken after the assign call races with the
//!    first fetch, whose records then land in the consumer's queue.
//! 2. *Unassign*: fence the lanes and drop their queues, seek drifted lanes among those that stay, call unassign,
//!    wake the leaders. After the fence no store succeeds, so librdkafka commits a final offset, and the next
//!    owner begins there.
//! 3. *Restart*: announce to each lane the offset from which records may come again, let librdkafka restart, and
//!    store the uncommitted offset once more, because librdkafka forgets stored offsets of partitions that it
//!    restarts.

use std::time::Duration;

use faststream_core::TopicPartition;
use faststream_core::broker::{Epoch, Event, RevocationId};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::Offset;

use super::assignment::{self, StartAt};
use super::committer::commit_set_back;
use super::control::Control;
use super::offset_fetch::{Begin, OffsetFetch, Starts};
use super::rebalances::{Revoke, Step};
use super::topic_ids::note;
use super::wakeup;
use crate::native::store_offset;

impl Control {
    /// Answers all rebalances that can be answered, strictly in order. Stops at the first one that has to wait,
    /// for offsets, for the member, or for the result of a commit.
    pub(super) fn handle_rebalances(&mut self) {
        while self.closing.is_none()
            && let Some(step) = self.rebalances.next(self.committer.is_busy())
        {
            match step {
                Step::FetchOffsets(partitions) => {
                    self.rebalances.set_fetch(OffsetFetch::begin(&self.client, partitions));
                }
                Step::Assign { partitions, starts, rest } => self.assign(partitions, &starts, rest),
                Step::AskMember { id, partitions, kind } => self.ask_member(id, &partitions, kind),
                Step::Unassign { partitions, kind } => self.unassign(partitions, kind),
            }
        }
    }

    /// Restarts the partitions that wait for it, and those whose offsets arrived after the answer.
    ///
    /// Not while a rebalance waits for its answer: librdkafka would take this for the answer, and give away
    /// partitions that are still in use. Nor while a commit is in flight: librdkafka begins nothing before its
    /// result.
    pub(super) fn apply_restarts(&mut self) {
        let is_asked = !self.rebalances.is_empty() || self.client.context().awaits_answer();
        if is_asked || self.closing.is_some() || self.committer.is_busy() {
            return;
        }
        let misrouted = self.partitions.take_misrouted();
        self.restart(&misrouted);
        let restarts = self.partitions.take_restarts();
        self.begin_again(&restarts);
        let fetched = self.partitions.take_fetched();
        if !fetched.is_empty() {
            let group = &self.client.context().group;
            faststream_core::log::info!(%group, partitions = fetched.len(), "committed offsets are known now");
            self.begin_again(&fetched);
        }
    }

    /// Makes librdkafka restart these partitions of the assignment. In a group with the eager protocol, it
    /// restarts all of them, each at its own position, so no record is skipped or handled twice.
    pub(super) fn restart(&mut self, some: &[StartAt]) {
        if some.is_empty() {
            return;
        }
        let consumer = self.client.consumer();
        let all = self.partitions.positions();
        for (tp, start) in all.iter().chain(some) {
            if let (Some(lane), Some(start)) = (self.partitions.lane(tp), start) {
                lane.expect_replay(*start);
            }
        }
        self.log_answer("restart", assignment::restart(consumer, some, &all));
        let is_hit = |tp: &TopicPartition| some.iter().any(|(hit, _)| hit == tp);
        for lane in self.partitions.lanes() {
            lane.replay_has_begun();
            if is_hit(&lane.tp) || !assignment::is_cooperative(consumer) {
                lane.store_again(&self.client);
            }
        }
    }

    /// Opens lanes at these offsets, in partitions that are assigned already.
    fn begin_again(&mut self, starts: &Starts) {
        if starts.is_empty() {
            return;
        }
        let lanes = self.partitions.open(&self.client, starts);
        let starts: Vec<_> = starts.iter().map(|(tp, begin)| (tp.clone(), Some(begin.next))).collect();
        self.restart(&starts);
        self.notify(Event::Assigned(lanes));
    }

    /// Answers an assignment. Partitions that are not among `starts` are assigned without a lane: nothing is read
    /// before their offset is known.
    fn assign(&mut self, partitions: Vec<TopicPartition>, starts: &Starts, rest: Option<OffsetFetch>) {
        let kept = self.partitions.with_lanes();
        let lanes = self.partitions.open(&self.client, starts);
        if let Some(rest) = rest {
            let unknown = partitions.iter().filter(|tp| !starts.contains_key(tp));
            self.partitions.await_offsets(&self.client, unknown, rest);
        }
        let start = |tp: &TopicPartition| (tp.clone(), starts.get(tp).map(|begin| begin.next));
        let assigned: Vec<StartAt> = partitions.iter().map(start).collect();
        self.realign();
        self.log_answer("assign", assignment::assign(self.client.consumer(), &assigned));
        if !partitions.is_empty() {
            self.committer.assigned(kept.is_empty());
        }
        self.notify(Event::Assigned(lanes));
        wakeup::leaders(&self.client, kept);
    }

    /// Lets the member drain the lanes of a revocation. The member answers with `Command::Answer`, perhaps before
    /// this returns.
    fn ask_member(&mut self, id: RevocationId, partitions: &[TopicPartition], kind: Revoke) {
        if kind.restart().is_none() {
            self.partitions.forget_fetches(partitions);
        }
        let lanes: Vec<Epoch> =
            partitions.iter().filter_map(|tp| self.partitions.lane(tp)).map(|lane| lane.epoch).collect();
        self.notify(Event::Revoked { id, lanes, lost: kind != Revoke::Moved });
    }

    /// Ends the lanes of a revocation, and answers it if the group requested it. If the revocation is our own, the
    /// partitions stay assigned and wait for their restart.
    fn unassign(&mut self, partitions: Vec<TopicPartition>, kind: Revoke) {
        if kind == Revoke::Moved {
            let lanes = partitions.iter().filter_map(|tp| self.partitions.lane(tp));
            commit_set_back(&self.client, lanes);
        }
        self.partitions.give_back(&partitions);
        if let Some(next) = kind.restart() {
            for tp in partitions {
                // After a log began again by itself, the topic's id is requested again.
                let topic_id = self.topic_ids.current(&tp.topic).filter(|_| kind == Revoke::Remade);
                self.set_back(tp, Begin { next, topic_id, is_uncommitted: true, is_set_back: true });
            }
            return;
        }
        self.realign();
        self.log_answer("revoke", assignment::unassign(self.client.consumer(), &partitions));
        wakeup::leaders(&self.client, self.partitions.with_lanes());
    }

    /// Commits the new beginning of a log that began again: the group's committed offset is after records that were not
    /// handled.
    fn set_back(&mut self, tp: TopicPartition, begin: Begin) {
        let (start, note) = (begin.next, begin.topic_id.as_ref().map(note));
        // librdkafka commits the stored offsets whenever the partition is released or restarted.
        if let Err(error) =
            store_offset(self.client.handle(), &tp.topic, tp.partition, start, note.as_deref())
        {
            let text = format_args!("{tp}: offset {start} was not stored: {error:?}");
            self.client.context().errors.log("store", text);
        }
        self.partitions.restart_at(tp, begin);
    }

    /// Seeks to the lanes' positions. librdkafka pauses all partitions until a rebalance is answered, and resumes them
    /// at its own position. If an error came last, that position is after a record that was never read. Call it before
    /// the answer.
    fn realign(&self) {
        let consumer = self.client.consumer();
        for lane in self.partitions.lanes().filter(|lane| lane.is_drifted()) {
            let next = Offset::Offset(lane.settled_position());
            // Without waiting: the seek is done before the answer, on the same thread.
            self.log_answer("seek", consumer.seek(&lane.tp.topic, lane.tp.partition, next, Duration::ZERO));
        }
    }

    /// Logs the error of a call that answers a rebalance, or restarts or seeks partitions. Nothing is repeated
    /// here: `stalls.rs` finds a partition that does not fetch afterwards.
    pub(super) fn log_answer(&self, what: &str, result: KafkaResult<()>) {
        if let Err(error) = result {
            self.client.context().errors.log(what, format_args!("answering a rebalance ({what}): {error}"));
        }
    }
}
