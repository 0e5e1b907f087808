//! The beginning of calls: at once, or when the turn of a kept record came.

use std::task::Context as TaskContext;

use tokio::time::Instant;

use super::LaneTask;
use super::calls::{RunningCall, Timeout, begin};
use super::entry::{CallClock, CallState, Entry, RecordSource};
use crate::delivery::Delivery;
use crate::policy::{AckPolicy, Commit};
use crate::record::Record;
use crate::result::Outcome;
use crate::wire::retry;

/// The record that a handler is called with.
pub(super) enum Called {
    /// A record of the current batch, by its number.
    Batch(usize),
    /// A kept record, by its offset.
    Kept(i64),
}

/// A call that began.
pub(super) enum Begun {
    Ended(Outcome),
    /// The call waits for something.
    Suspended(RunningCall),
}

impl LaneTask {
    /// Returns the next kept record that may start. Calls that wait until their record is committed wait for the oldest
    /// record, so its next attempt does not count against `concurrency` as long as one of them waits.
    fn next_ready(&mut self) -> Option<i64> {
        if self.in_flight.running < self.scope.spec.concurrency.max(1) {
            return self.ready.pop();
        }
        let oldest = self.offsets.oldest().filter(|oldest| self.ready.contains(*oldest))?;
        let is_running =
            |offset| self.in_flight.get(offset).is_some_and(|entry| entry.state() == CallState::Running);
        if !self.scope.control.any_waits_until_durable(is_running) {
            return None;
        }
        self.ready.take(oldest)
    }

    /// Starts kept records: after their pause, or when their turn came.
    pub(super) fn start_ready(&mut self, cx: &mut TaskContext<'_>, budget: &mut usize) -> bool {
        let mut moved = false;
        self.release_braked();
        while *budget > 0
            && self.scope.control.may_begin()
            && let Some(offset) = self.next_ready()
        {
            moved = true;
            *budget -= 1;
            let Some(entry) = self.in_flight.get_mut(offset) else { continue };
            if entry.state() != CallState::Waiting {
                continue;
            }
            let line = entry.line;
            if !self.in_flight.may_call(offset, line, self.scope.settings.max_unconfirmed) {
                continue;
            }
            if self.is_braked(offset) {
                self.ready.brake(offset);
                continue;
            }
            let entry = self.in_flight.entry_mut(offset);
            let attempt = entry.attempt;
            entry.call = Some(CallClock::new(Instant::now()));
            entry.manual_ack = None;
            if self.scope.handler.ack == AckPolicy::AckFirst
                && self.offsets.finish(offset)
                && self.scope.spec.commit == Commit::Each
            {
                self.in_flight.set(offset, CallState::Committing);
                continue;
            }
            self.in_flight.set(offset, CallState::Running);
            match self.call(Called::Kept(offset), attempt, cx) {
                Begun::Ended(outcome) => {
                    self.report(offset, attempt, &outcome);
                    self.outcome(offset, outcome, cx);
                }
                Begun::Suspended(call) => self.suspend(call),
            }
            self.scope.control.work.begins(None);
        }
        moved
    }

    /// Calls the handler. Every call begins here.
    pub(super) fn call(&mut self, called: Called, attempt: u32, cx: &mut TaskContext<'_>) -> Begun {
        let timeout = self.scope.handler.timeout;
        let began = self.calls.begins_now(timeout);
        self.scope.control.offsets.note_finished(self.offsets.prefix());
        let record = match called {
            Called::Batch(index) => self.inbox.record(index),
            Called::Kept(offset) => self.kept(self.in_flight.entry(offset)),
        };
        let offset = record.offset;
        let ended = begin(self.scope.handler.def.call, &self.delivery(record, attempt), cx);
        match self.calls.returned_in_time(timeout, began, ended) {
            Ok(outcome) => Begun::Ended(outcome),
            Err(call) => {
                let timeout = timeout.zip(began);
                let timeout = timeout.and_then(|(timeout, began)| Timeout::of(&call, began, timeout));
                Begun::Suspended(RunningCall { offset, call, timeout })
            }
        }
    }

    /// Moves the call of a kept record to the set, which polls it again.
    pub(super) fn suspend(&mut self, call: RunningCall) {
        let now = Instant::now();
        self.in_flight.entry_mut(call.offset).call.get_or_insert(CallClock::new(now));
        self.timers.watch(now, self.look_after());
        self.calls.push(call);
    }

    /// Returns the record of an entry.
    pub(super) fn kept<'a>(&'a self, entry: &'a Entry) -> Record<'a> {
        match &entry.source {
            RecordSource::Batch(index) => self.inbox.record(*index),
            RecordSource::Copy(copy) => copy.borrow(&self.scope.topic, self.scope.partition),
        }
    }

    fn delivery<'a>(&'a self, record: Record<'a>, attempt: u32) -> Delivery<'a> {
        Delivery {
            offset: record.offset,
            record: self.original(record),
            topic: self
                .scope
                .retry_topic
                .as_ref()
                .map_or(&self.scope.topic, |retry_topic| &retry_topic.source),
            attempt,
            handler: &self.scope.info,
            context: &self.scope.context,
            control: &self.scope.control,
        }
    }

    /// Returns the record with its original position, for handlers and dead letters.
    pub(super) fn original<'a>(&'a self, record: Record<'a>) -> Record<'a> {
        match &self.scope.retry_topic {
            Some(retry_topic) => retry::original(record, &retry_topic.source),
            None => record,
        }
    }
}
