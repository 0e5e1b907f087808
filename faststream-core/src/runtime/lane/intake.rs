//! Moves records from the lane's batch to their handlers: at once, or kept until their turn.

use std::task::Context as TaskContext;

use super::LaneTask;
use super::ack_policy::Ended;
use super::entry::{CallFailure, CallState, Entry, RecordSource};
use super::keys::KeyHash;
use super::start::{Begun, Called};
use super::turns::OrderLine;
use crate::policy::{AckPolicy, Commit, Order};
use crate::record::Record;
use crate::result::Disposition;
use crate::result::Outcome;
use crate::result::Verdict;
use crate::runtime::status::Notice;
use crate::wire::retry;

impl LaneTask {
    pub(super) fn intake(&mut self, cx: &mut TaskContext<'_>, budget: &mut usize) -> bool {
        let (before, waited) = (*budget, self.inbox.due.waits());
        // A handler that keeps the thread busy may receive a stop within a turn.
        while *budget > 0
            && self.scope.control.may_begin()
            && self.has_room()
            && (self.inbox.has_more() || self.refill(cx))
            && self.is_due()
        {
            let index = self.inbox.take();
            *budget -= 1;
            self.hand_out(index, cx);
            self.scope.control.work.begins(None);
        }
        // A wait that begins has set a timer, which is still to be polled.
        *budget < before || self.inbox.due.waits() != waited
    }

    fn has_room(&mut self) -> bool {
        if self.scope.control.is_braked() && self.is_far_ahead(self.inbox.next()) {
            if !std::mem::replace(&mut self.store.asked_commit, true) {
                self.store();
                self.scope.shared.notify(Notice::WantsCommit);
            }
            return false;
        }
        self.store.asked_commit = false;
        match self.scope.spec.order {
            Order::Partition => !self.is_busy(OrderLine::Lane) && !self.is_full(),
            Order::Key | Order::None => {
                self.in_flight.running < self.scope.spec.concurrency && !self.is_full()
            }
        }
    }

    /// Returns whether too many records are kept, or too many finished ones come after a held one.
    pub(super) fn is_full(&self) -> bool {
        let most = self.scope.settings.max_in_flight;
        self.in_flight.len() >= most || self.offsets.span() >= most
    }

    /// Takes the next batch. Records that outlive the old one are copied first, and nothing else ever is.
    fn refill(&mut self, cx: &mut TaskContext<'_>) -> bool {
        self.copy_kept();
        // Before the broker continues: the records that it has handed out must be counted as busy at every moment.
        self.activity.busy.set(true);
        self.inbox.refill(cx)
    }

    fn hand_out(&mut self, index: usize, cx: &mut TaskContext<'_>) {
        let record = self.inbox.record(index);
        let (offset, timestamp) = (record.offset, record.timestamp);
        if !self.offsets.begin(offset) {
            return;
        }
        // A handler that ends at once leaves no entry, hence no busy key: nothing to hash for.
        let line = if self.in_flight.is_empty() { None } else { Some(self.line_of(&record)) };
        let attempt = self.attempts_before(&record) + 1;
        if !self.scope.context.skips.is_empty() {
            self.scope.warn_missed_skips(self.inbox.next(), offset);
        }
        self.inbox.handed_out(offset);
        self.metrics.received();
        if !self.scope.context.skips.is_empty() && self.is_to_be_skipped(offset, timestamp) {
            self.offsets.finish(offset);
            self.log_skipped(offset);
            return;
        }
        if let Some(line) = line
            && self.is_busy(line)
        {
            self.keep(offset, index, Some(line), CallState::Waiting);
            return;
        }
        if self.scope.handler.ack == AckPolicy::AckFirst {
            self.offsets.finish(offset);
            if self.scope.spec.commit == Commit::Each {
                self.keep(offset, index, line, CallState::Committing);
                return;
            }
        }
        if let Some(times) = self.scope.control.deaths_at(offset) {
            self.scope.control.work.begins(Some(offset));
            self.keep(offset, index, line, CallState::Running);
            return self.died_at(offset, times, cx);
        }
        match self.call(Called::Batch(index), attempt, cx) {
            Begun::Ended(outcome) => {
                self.report(offset, attempt, &outcome);
                if let Outcome::Verdict(Verdict::Ack) = outcome
                    && self.scope.handler.ack != AckPolicy::Manual
                {
                    self.offsets.finish(offset);
                    self.guard.fine();
                    self.report_disposition(offset, Disposition::Acked);
                    return;
                }
                self.keep(offset, index, line, CallState::Running);
                self.outcome(offset, outcome, cx);
            }
            Begun::Suspended(call) => {
                self.keep(offset, index, line, CallState::Running);
                self.suspend(call);
            }
        }
    }

    /// Handles a record at which an earlier task of this partition died: that was a failed attempt.
    fn died_at(&mut self, offset: i64, times: u32, cx: &mut TaskContext<'_>) {
        if let Some(entry) = self.in_flight.get_mut(offset) {
            entry.attempt = entry.before.saturating_add(times);
        }
        let message = format!("the task of its partition died at it, {times} times");
        self.conclude(offset, Ended::Failed(CallFailure { kind: "panic", message }), cx);
    }

    /// Returns the line in which the record keeps its order. As in Kafka, records without a key have no order.
    fn line_of(&self, record: &Record<'_>) -> OrderLine {
        match self.scope.spec.order {
            Order::Partition => OrderLine::Lane,
            Order::Key => record.key.map_or(OrderLine::Alone, |key| OrderLine::Key(KeyHash::of(key))),
            Order::None => OrderLine::Alone,
        }
    }

    /// Returns whether the next record of this line has to wait.
    pub(super) fn is_busy(&self, line: OrderLine) -> bool {
        self.in_flight.is_busy(line, self.scope.settings.max_unconfirmed)
    }

    /// Keeps a record that did not end at once. It is copied before the batch is dropped, or at the end of the turn.
    fn keep(&mut self, offset: i64, index: usize, line: Option<OrderLine>, state: CallState) {
        let record = self.inbox.record(index);
        let (before, line) = (self.attempts_before(&record), line.unwrap_or_else(|| self.line_of(&record)));
        self.in_flight.insert(offset, Entry::new(RecordSource::Batch(index), line, before, state));
    }

    /// Copies the kept records of the batch.
    fn copy_kept(&mut self) {
        let inbox = &self.inbox;
        self.in_flight.copy_fresh(|index| inbox.record(index).to_owned_record());
    }

    /// Copies the rest of the batch, which has to wait, so that no fetch buffer is pinned.
    pub(super) fn detach(&mut self) {
        self.copy_kept();
        self.inbox.detach();
    }

    /// Returns how many attempts were made before the record came here.
    fn attempts_before(&self, record: &Record<'_>) -> u32 {
        self.scope.retry_topic.as_ref().map_or(0, |_| retry::attempts(record))
    }
}
