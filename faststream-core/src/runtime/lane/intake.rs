//! How records get from the lane's batch to their handlers: at once, or kept for their turn.

use std::task::{Context as TaskContext, Poll};

use tokio::time::Instant;

use super::ack_policy::Ended;
use super::calls::{RunningCall, Timeout, begin, drop_call, timed_out};
use super::in_flight::{CallFailure, CallState, Entry, RecordSource};
use super::keys::KeyHash;
use super::report::Disposition;
use super::retry_topic::Due;
use super::turns::OrderLine;
use super::{BATCH, LaneTask};
use crate::delivery::{Call, Delivery, Outcome, Record};
use crate::policy::{AckPolicy, Commit, Order};
#[cfg(feature = "planted-bugs")]
use crate::runtime::planted::{self, Planted};
use crate::runtime::status::Notice;
use crate::verdict::Verdict;

impl LaneTask {
    pub(super) fn intake(&mut self, cx: &mut TaskContext<'_>, budget: &mut usize) -> bool {
        let (before, waited) = (*budget, self.due.waits());
        // A handler that keeps the thread busy may be told to stop within a turn.
        while *budget > 0
            && !self.control.is_stopping()
            && self.has_room()
            && (self.cursor < self.filled || self.refill(cx))
            && self.is_due()
        {
            let index = self.cursor;
            self.cursor += 1;
            *budget -= 1;
            self.due = Due::Unknown;
            self.hand_out(index, cx);
            self.control.begins(None);
        }
        // A wait that begins has set a timer, which is still to be polled.
        *budget < before || self.due.waits() != waited
    }

    fn has_room(&mut self) -> bool {
        if self.control.is_braked() && self.is_far_ahead(self.next) {
            if !std::mem::replace(&mut self.asked_commit, true) {
                self.store();
                self.shared.notify(Notice::WantsCommit);
            }
            return false;
        }
        self.asked_commit = false;
        match self.subscriber.order {
            Order::Partition => !self.is_busy(OrderLine::Lane) && !self.is_full(),
            Order::Key | Order::None => {
                self.in_flight.running < self.subscriber.concurrency && !self.is_full()
            }
        }
    }

    /// Too many records are kept, or a held one has too many finished ones behind it.
    pub(super) fn is_full(&self) -> bool {
        let most = self.settings.max_in_flight;
        self.in_flight.len() >= most || self.offsets.span() >= most
    }

    /// Whether the record at this offset is beyond what is delivered while commits fail.
    fn is_far_ahead(&self, offset: i64) -> bool {
        let ahead = offset.saturating_sub(self.control.committed_offset());
        u64::try_from(ahead).is_ok_and(|ahead| ahead >= self.settings.max_uncommitted)
    }

    /// The brake is on, and no commit will take it off: what is before is not finished.
    pub(super) fn is_braked_for_good(&self) -> bool {
        self.control.is_braked() && self.is_far_ahead(self.next) && !self.control.is_dirty()
    }

    /// Whether the brake keeps a record back that waited, behind its key for example. What began before it was pulled may
    /// be tried again: it repeats no more records.
    fn is_braked(&self, offset: i64) -> bool {
        let is_first = |entry: &Entry| entry.attempts_here() == 1 && entry.copies.is_none();
        self.control.is_braked()
            && self.in_flight.get(offset).is_some_and(is_first)
            && self.is_far_ahead(offset)
    }

    /// The next batch. What outlives the old one is copied first; nothing else ever is.
    fn refill(&mut self, cx: &mut TaskContext<'_>) -> bool {
        self.copy_kept();
        // Before the broker moves on: what it has handed out must be somebody's at every moment.
        self.busy.set(true);
        self.cursor = 0;
        self.detached = false;
        self.filled = match self.lane.poll_fill(cx, BATCH) {
            Poll::Ready(taken) => taken,
            Poll::Pending => {
                self.waits.caught_up();
                0
            }
        };
        self.filled > 0
    }

    fn hand_out(&mut self, index: usize, cx: &mut TaskContext<'_>) {
        let record = self.lane.record(index);
        let (offset, timestamp) = (record.offset, record.timestamp);
        if !self.offsets.begin(offset) {
            return;
        }
        if !self.context.skips.is_empty() {
            self.warn_missed_skips(self.next, offset);
        }
        self.next = offset + 1;
        self.metrics.received();
        if !self.context.skips.is_empty() && self.is_to_be_skipped(offset, timestamp) {
            self.offsets.finish(offset);
            self.log_skipped(offset);
            return;
        }
        // A handler that ends at once leaves no slot, hence no busy key: nothing to hash for.
        let line = if self.in_flight.is_empty() { None } else { Some(self.line_of(&record)) };
        if let Some(line) = line
            && self.is_busy(line)
        {
            self.keep(offset, index, Some(line), CallState::Waiting);
            #[cfg(feature = "planted-bugs")]
            planted::finish_if(Planted::ForgetQueued, &mut self.offsets, offset);
            return;
        }
        if self.subscriber.ack == AckPolicy::AckFirst {
            self.offsets.finish(offset);
            if self.subscriber.commit == Commit::Each {
                self.keep(offset, index, line, CallState::Committing);
                return;
            }
        }
        if let Some(times) = self.control.deaths_at(offset) {
            self.control.begins(Some(offset));
            self.keep(offset, index, line, CallState::Running);
            return self.died_at(offset, times, cx);
        }
        let attempt = self.attempts_before(&record) + 1;
        let since = self.begins_now();
        self.control.note_finished(self.offsets.prefix());
        let begun = begin(&self.delivery(record, attempt), cx);
        match self.returned_in_time(since, begun) {
            Ok(outcome) => {
                self.report(offset, attempt, &outcome);
                if let Outcome::Verdict(Verdict::Ack) = outcome
                    && self.subscriber.ack != AckPolicy::Manual
                {
                    self.offsets.finish(offset);
                    self.guard.fine();
                    self.report_disposition(offset, Disposition::Acked);
                    return;
                }
                self.keep(offset, index, line, CallState::Running);
                self.outcome(offset, outcome, cx);
            }
            Err(call) => {
                self.keep(offset, index, line, CallState::Running);
                self.suspend(offset, call, since);
            }
        }
    }

    /// An earlier task of this partition died at this record: that was an attempt, and it failed.
    fn died_at(&mut self, offset: i64, times: u32, cx: &mut TaskContext<'_>) {
        if let Some(entry) = self.in_flight.get_mut(offset) {
            entry.attempt = entry.before.saturating_add(times);
        }
        let message = format!("the task of its partition died at it, {times} times");
        self.conclude(offset, Ended::Failed(CallFailure { kind: "panic", message }), cx);
    }

    /// Among which the record keeps its order. Kafka gives records without a key none either.
    fn line_of(&self, record: &Record<'_>) -> OrderLine {
        match self.subscriber.order {
            Order::Partition => OrderLine::Lane,
            Order::Key => record.key.map_or(OrderLine::Alone, |key| OrderLine::Key(KeyHash::of(key))),
            Order::None => OrderLine::Alone,
        }
    }

    /// Whether the next record of this line has to wait.
    pub(super) fn is_busy(&self, line: OrderLine) -> bool {
        self.in_flight.is_busy(line, self.settings.max_unconfirmed)
    }

    /// A record that did not end at once. It is copied before the batch goes, or at the end of the turn.
    fn keep(&mut self, offset: i64, index: usize, line: Option<OrderLine>, state: CallState) {
        let record = self.lane.record(index);
        let (before, line) = (self.attempts_before(&record), line.unwrap_or_else(|| self.line_of(&record)));
        self.in_flight.insert(offset, Entry::new(RecordSource::Batch(index), line, before, state));
        self.fresh.push(offset);
    }

    /// Copies what is kept of the batch.
    fn copy_kept(&mut self) {
        for offset in self.fresh.drain(..) {
            #[cfg(feature = "planted-bugs")]
            if planted::is_planted(Planted::ReuseIndex) {
                continue;
            }
            if let Some(entry) = self.in_flight.get_mut(offset)
                && let RecordSource::Batch(index) = entry.source
            {
                entry.source = RecordSource::Copy(self.lane.record(index).to_owned_record());
            }
        }
    }

    /// What is left of the batch has to wait: it is copied, so that no fetch buffer is pinned.
    pub(super) fn detach(&mut self) {
        self.copy_kept();
        if self.filled > 0 && !std::mem::replace(&mut self.detached, true) {
            self.lane.detach(self.cursor);
        }
    }

    /// The next kept record that may start. Calls that wait until theirs is durable wait for the oldest one: its next
    /// attempt needs none of the places that they keep, for as long as one of them waits.
    fn next_ready(&mut self) -> Option<i64> {
        if self.in_flight.running < self.subscriber.concurrency.max(1) {
            return self.ready.pop_front();
        }
        let oldest = self.offsets.oldest().filter(|_| !self.ready.is_empty())?;
        let index = self.ready.iter().position(|offset| *offset == oldest)?;
        let is_running =
            |offset| self.in_flight.get(offset).is_some_and(|entry| entry.state() == CallState::Running);
        if !self.control.any_waits_until_durable(is_running) {
            return None;
        }
        self.ready.remove(index)
    }

    /// Starts kept records: after their pause, or when their turn came.
    pub(super) fn start_ready(&mut self, cx: &mut TaskContext<'_>, budget: &mut usize) -> bool {
        let mut moved = false;
        // The brake may be on again already: a commit that moved on was accepted, and the next one refused.
        while let Some(offset) = self.braked.first().copied()
            && !(self.control.is_braked() && self.is_far_ahead(offset))
        {
            self.braked.pop_first();
            self.ready.push_back(offset);
        }
        while *budget > 0
            && !self.control.is_stopping()
            && let Some(offset) = self.next_ready()
        {
            moved = true;
            *budget -= 1;
            let Some(entry) = self.in_flight.get_mut(offset) else { continue };
            if entry.state() != CallState::Waiting {
                continue;
            }
            let line = entry.line;
            if !self.in_flight.may_call(offset, line, self.settings.max_unconfirmed) {
                continue;
            }
            #[cfg(feature = "planted-bugs")]
            let is_held_back = !planted::is_planted(Planted::ForgetBrake) && self.is_braked(offset);
            #[cfg(not(feature = "planted-bugs"))]
            let is_held_back = self.is_braked(offset);
            if is_held_back {
                self.braked.insert(offset);
                continue;
            }
            let Some(entry) = self.in_flight.get_mut(offset) else { continue };
            let attempt = entry.attempt;
            (entry.since, entry.is_slow) = (Some(Instant::now()), false);
            entry.manual_ack = None;
            if self.subscriber.ack == AckPolicy::AckFirst
                && self.offsets.finish(offset)
                && self.subscriber.commit == Commit::Each
            {
                self.in_flight.set(offset, CallState::Committing);
                continue;
            }
            self.in_flight.set(offset, CallState::Running);
            let Some(entry) = self.in_flight.get(offset) else { continue };
            let since = self.begins_now();
            self.control.note_finished(self.offsets.prefix());
            let begun = begin(&self.delivery(self.kept(entry), attempt), cx);
            match self.returned_in_time(since, begun) {
                Ok(outcome) => {
                    self.report(offset, attempt, &outcome);
                    self.outcome(offset, outcome, cx);
                }
                Err(call) => self.suspend(offset, call, since),
            }
            self.control.begins(None);
        }
        moved
    }

    /// The moment of a call's begin, for its `timeout`: the last call's end, if that was in this turn. Without a `timeout`,
    /// no clock is read.
    fn begins_now(&self) -> Option<Instant> {
        self.subscriber.timeout.map(|_| self.returned.unwrap_or_else(Instant::now))
    }

    /// A call that blocked its thread beyond its `timeout` failed when it returned, if only to wait.
    fn returned_in_time(
        &mut self,
        began: Option<Instant>,
        ended: Result<Outcome, Call>,
    ) -> Result<Outcome, Call> {
        self.returned = began.map(|_| Instant::now());
        let took = self.returned.zip(began).map(|(returned, began)| returned - began);
        match ended {
            Err(call) if call.as_plain().is_some() => Err(call),
            ended if took <= self.subscriber.timeout => ended,
            Ok(_) => Ok(timed_out()),
            Err(mut call) => {
                drop_call(&mut call);
                Ok(timed_out())
            }
        }
    }

    /// The call goes on in the set, which polls it again.
    fn suspend(&mut self, offset: i64, call: Call, began: Option<Instant>) {
        let timeout = self.subscriber.timeout.zip(began);
        let timeout = timeout.and_then(|(timeout, began)| Timeout::of(&call, began, timeout));
        let now = Instant::now();
        if let Some(entry) = self.in_flight.get_mut(offset) {
            entry.since = entry.since.or(Some(now));
        }
        self.timers.watch(now, self.look_after());
        self.running.push(RunningCall { offset, call, timeout });
    }

    /// The record of a slot.
    pub(super) fn kept<'a>(&'a self, entry: &'a Entry) -> Record<'a> {
        match &entry.source {
            RecordSource::Batch(index) => self.lane.record(*index),
            RecordSource::Copy(copy) => copy.borrow(&self.topic, self.lane.partition()),
        }
    }

    fn delivery<'a>(&'a self, record: Record<'a>, attempt: u32) -> Delivery<'a> {
        Delivery {
            offset: record.offset,
            record: self.original(record),
            topic: self.retry_topic.as_ref().map_or(&self.topic, |retry_topic| &retry_topic.source),
            attempt,
            subscriber: &self.subscriber,
            context: &self.context,
            control: &self.control,
        }
    }
}
