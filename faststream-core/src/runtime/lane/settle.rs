//! What becomes of a record when its handler, its pause or its publishing ended: the table of ack policies.

use std::task::Context as TaskContext;
use std::time::Duration;

use super::LaneTask;
use super::in_flight::{CallFailure, CallState, Guarded};
use super::output::Purpose;
use super::report::Disposition;
use super::timers::TimerKind;
use crate::delivery::Outcome;
use crate::log::{Time, attempts, bounded};
use crate::policy::{AckPolicy, OnError};
use crate::verdict::Verdict;

/// The kind of a failure to read an argument.
pub(super) const REJECTION: &str = "rejection";

impl LaneTask {
    pub(super) fn ended(&mut self, offset: i64, outcome: Outcome, cx: &mut TaskContext<'_>) {
        self.control.begins(Some(offset));
        self.no_longer_slow(offset);
        let attempt = self.in_flight.get(offset).map_or(1, |entry| entry.attempt);
        self.report(offset, attempt, &outcome);
        self.outcome(offset, outcome, cx);
        self.control.begins(None);
    }

    /// A call ended: the policy decides.
    pub(super) fn outcome(&mut self, offset: i64, outcome: Outcome, cx: &mut TaskContext<'_>) {
        let manual_ack = self.subscriber.ack == AckPolicy::Manual;
        if manual_ack {
            // What was settled inside the call counts before the next record may start.
            self.take_settled();
        }
        match outcome {
            Outcome::Verdict(verdict) if manual_ack => {
                self.returned_manual(offset, verdict, cx);
            }
            Outcome::Verdict(verdict) => self.decided(offset, verdict, cx),
            Outcome::Publish(copies) if manual_ack => self.returned_results(offset, copies, cx),
            Outcome::Publish(copies) => self.publish(offset, copies, Purpose::Results, cx),
            Outcome::Failed(error) => self.failed(offset, CallFailure::of(&error), None, cx),
            Outcome::NotEncodable(error) => self.rejected(offset, CallFailure::of(&error), cx),
            Outcome::Rejected(rejection) => {
                let failure = CallFailure { kind: REJECTION, message: rejection.message().to_owned() };
                self.undecodable(offset, failure, cx);
            }
        }
    }

    pub(super) fn decided(&mut self, offset: i64, verdict: Verdict, cx: &mut TaskContext<'_>) {
        match verdict {
            Verdict::Ack => self.finish(offset, Disposition::Acked),
            Verdict::Skip => self.finish(offset, Disposition::Skipped),
            Verdict::Nack { after } => {
                let failure =
                    CallFailure { kind: "nack", message: "the handler asked for another attempt".into() };
                self.failed(offset, failure, after, cx);
            }
            Verdict::Reject { reason } => {
                let failure = CallFailure { kind: "reject", message: bounded(reason.into_owned()) };
                self.rejected(offset, failure, cx);
            }
            Verdict::Stop => self.stop(offset, "the handler asked to stop"),
        }
    }

    /// An attempt failed.
    pub(super) fn failed(
        &mut self,
        offset: i64,
        failure: CallFailure,
        after: Option<Duration>,
        cx: &mut TaskContext<'_>,
    ) {
        let Some(entry) = self.in_flight.get_mut(offset) else { return };
        let attempt = entry.attempt;
        self.metrics.failed(failure.kind);
        if self.succeeded_manually(offset, &failure) {
            return;
        }
        match self.subscriber.ack {
            AckPolicy::AckFirst | AckPolicy::Ack => {
                self.warn_failed(offset, attempt, &failure, "failed, and is finished by its policy");
                self.finish(offset, Disposition::Failed);
            }
            AckPolicy::RejectOnError => self.rejected(offset, failure, cx),
            AckPolicy::NackOnError | AckPolicy::Manual => self.retry(offset, attempt, failure, after, cx),
        }
    }

    fn retry(
        &mut self,
        offset: i64,
        attempt: u32,
        failure: CallFailure,
        after: Option<Duration>,
        cx: &mut TaskContext<'_>,
    ) {
        let Some(entry) = self.in_flight.get_mut(offset) else { return };
        if entry.first.is_none() && !self.subscriber.retry_topics.is_empty() {
            entry.first = Some((failure.clone(), self.context.now_ms()));
        }
        let here = entry.attempts_here();
        let Some(pause) = self.subscriber.retry.pause_after(here, self.context.random()) else {
            if let Some(next) = self.subscriber.next_retry_topic(&self.topic).cloned() {
                return self.go_on_in(&next, offset, failure, cx);
            }
            let on_error = self.subscriber.on_error;
            return self.give_up(offset, failure, on_error, true, cx);
        };
        let pause = after.unwrap_or(pause);
        self.warn_failed(
            offset,
            attempt,
            &failure,
            &format!("failed, tried again in {}", Time::about(pause)),
        );
        if let Some(entry) = self.in_flight.get_mut(offset) {
            entry.attempt += 1;
            entry.failure = Some(failure);
        }
        self.in_flight.set(offset, CallState::Paused);
        self.wait(offset, pause, TimerKind::Attempt);
        self.metrics.retried("in_place");
        self.report_disposition(offset, Disposition::Waiting);
    }

    /// Given up now: the dead letter if one is named, else by `on_error`.
    fn rejected(&mut self, offset: i64, failure: CallFailure, cx: &mut TaskContext<'_>) {
        if self.succeeded_manually(offset, &failure) {
            return;
        }
        if matches!(self.subscriber.ack, AckPolicy::AckFirst | AckPolicy::Ack) {
            return self.failed(offset, failure, None, cx);
        }
        let on_error = self.subscriber.on_error;
        let on_error = if self.subscriber.dead_letter.is_some() { OnError::DeadLetter } else { on_error };
        // Held, it is tried again: what made the handler say so may change.
        self.give_up(offset, failure, on_error, true, cx);
    }

    fn undecodable(&mut self, offset: i64, failure: CallFailure, cx: &mut TaskContext<'_>) {
        self.metrics.undecodable();
        if self.succeeded_manually(offset, &failure) {
            return;
        }
        if matches!(self.subscriber.ack, AckPolicy::AckFirst | AckPolicy::Ack) {
            return self.failed(offset, failure, None, cx);
        }
        let on_error = self.subscriber.on_decode_error;
        self.give_up(offset, failure, on_error, false, cx);
    }

    /// No further attempt; `again` if a held record may be tried again, because another attempt may go better.
    fn give_up(
        &mut self,
        offset: i64,
        failure: CallFailure,
        on_error: OnError,
        again: bool,
        cx: &mut TaskContext<'_>,
    ) {
        let attempt = self.in_flight.get(offset).map_or(1, |entry| entry.attempt);
        match on_error {
            OnError::Skip => {
                self.warn_failed(
                    offset,
                    attempt,
                    &failure,
                    &format!("given up, skipped by `{}`", self.setting(&failure)),
                );
                self.finish(offset, Disposition::Skipped);
            }
            OnError::Stop => {
                self.warn_failed(
                    offset,
                    attempt,
                    &failure,
                    &format!("given up, the app stops by `{}`", self.setting(&failure)),
                );
                self.stop(offset, &failure.message);
            }
            OnError::DeadLetter => {
                if let Some(why) = self.guard_refuses(offset, &failure) {
                    return self.keep_back(offset, attempt, &failure, Some(&why), again);
                }
                self.metrics.dead_lettered(failure.kind);
                let letter = self.dead_letter(offset, attempt, &failure);
                self.warn_failed(
                    offset,
                    attempt,
                    &failure,
                    &format!("given up, to the dead letters in {}", letter.topic),
                );
                if let Some(entry) = self.in_flight.get_mut(offset) {
                    entry.failure = Some(failure);
                }
                self.publish(offset, vec![letter], Purpose::DeadLetter, cx);
            }
            OnError::Hold => self.hold(offset, attempt, &failure, again),
        }
    }

    /// Which setting decides about a failure.
    pub(super) fn setting(&self, failure: &CallFailure) -> &'static str {
        let own = failure.kind == REJECTION && self.subscriber.def.on_decode_error.is_some();
        if own { "on_decode_error" } else { "on_error" }
    }

    fn stop(&mut self, offset: i64, why: &str) {
        self.in_flight.set(offset, CallState::Stopped);
        self.report_disposition(offset, Disposition::Stopped);
        let (topic, partition) = (&self.topic, self.lane.partition());
        let handler = &self.subscriber.handler;
        self.context
            .stop
            .request(format!("{handler} stopped at {topic}/{partition}, offset {offset}: {why}"));
    }

    pub(super) fn finish(&mut self, offset: i64, disposition: Disposition) {
        self.offsets.finish(offset);
        self.wait_no_more(offset);
        if let Some(entry) = self.in_flight.remove(offset) {
            match disposition {
                Disposition::Acked if matches!(entry.guard, Guarded::KeptBack(_)) => self.guard.reset(),
                Disposition::Acked | Disposition::Skipped | Disposition::Failed => self.guard.fine(),
                _ => {}
            }
            if entry.failure.is_some() {
                self.report_unheld(offset);
                self.info(offset, &format!("{} after {}", disposition.name(), attempts(entry.attempt)));
            }
        }
        self.report_disposition(offset, disposition);
    }
}
