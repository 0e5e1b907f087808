//! Applies the decisions of the ack policy: finish, retry, publish, hold, stop.

use std::task::Context as TaskContext;
use std::time::Duration;

use super::LaneTask;
use super::ack_policy::{Attempt, Ended, Next, REJECTION, by_ack, decide};
use super::copies::Purpose;
use super::entry::{CallFailure, CallState, Guarded};
use super::timers::TimerKind;
use crate::log::{Time, attempts};
use crate::policy::AckPolicy;
use crate::result::Disposition;
use crate::result::Outcome;

impl LaneTask {
    /// Handles the end of a call that was suspended.
    pub(super) fn ended(&mut self, offset: i64, outcome: Outcome, cx: &mut TaskContext<'_>) {
        self.scope.control.work.begins(Some(offset));
        self.no_longer_slow(offset);
        let attempt = self.in_flight.entry(offset).attempt;
        self.report(offset, attempt, &outcome);
        self.outcome(offset, outcome, cx);
        self.scope.control.work.begins(None);
    }

    /// Handles the end of a call.
    pub(super) fn outcome(&mut self, offset: i64, outcome: Outcome, cx: &mut TaskContext<'_>) {
        if self.scope.handler.ack == AckPolicy::Manual {
            // An `Ack` that was settled inside the call counts before the next record may start.
            self.take_settled();
        }
        self.conclude(offset, Ended::of(outcome), cx);
    }

    /// Decides about a kept record, and applies the decision.
    pub(super) fn conclude(&mut self, offset: i64, ended: Ended, cx: &mut TaskContext<'_>) {
        let has_retry_topic = self.scope.spec.next_retry_topic(&self.scope.topic).is_some();
        let entry = self.in_flight.entry_mut(offset);
        let attempt = Attempt { number: entry.attempts_here(), has_retry_topic };
        let settled = entry.manual_ack.take();
        if matches!(ended, Ended::Undecodable(_)) {
            self.metrics.undecodable();
        }
        let by_ack = if self.scope.handler.ack == AckPolicy::Manual {
            by_ack(settled.as_ref(), ended)
        } else {
            Ok(ended)
        };
        let next = by_ack.map_or_else(
            |next| next,
            |ended| {
                if let Some(failure) = ended.failure().filter(|_| ended.is_error()) {
                    self.metrics.failed(failure.kind);
                }
                decide(&self.scope.handler, attempt, ended, || self.scope.context.random())
            },
        );
        if matches!(next, Next::Publish(_)) {
            // It counts once the results are confirmed.
            self.in_flight.entry_mut(offset).manual_ack = settled;
        }
        self.apply(offset, next, cx);
    }

    fn apply(&mut self, offset: i64, next: Next, cx: &mut TaskContext<'_>) {
        match next {
            Next::Finish(disposition) => self.finish(offset, disposition),
            Next::FinishFailed(disposition, failure) => {
                let what = match disposition {
                    Disposition::Skipped => format!("given up, skipped by `{}`", self.setting(&failure)),
                    _ => "failed, and is finished by its policy".to_owned(),
                };
                self.warn_failed(offset, &failure, &what);
                self.finish(offset, disposition);
            }
            Next::FinishByAck(disposition, failure) => {
                self.warn_failed(offset, &failure, "failed after it was settled by hand, which counts");
                self.finish(offset, disposition);
            }
            Next::Publish(results) => self.publish(offset, results, Purpose::Results, cx),
            Next::AwaitAck => {
                // Order ends where the handler ends: the next one may start.
                self.in_flight.set(offset, CallState::Acking);
                self.wait_for_ack(offset);
            }
            Next::Retry(pause, failure) => self.retry(offset, pause, failure),
            Next::RetryTopic(failure) => self.go_on_in_retry_topic(offset, failure, cx),
            Next::DeadLetter(failure, held) => self.give_up(offset, failure, held, cx),
            Next::Hold(failure, held) => self.hold(offset, &failure, held, None),
            Next::Stop(None) => self.stop(offset, "the handler asked to stop"),
            Next::Stop(Some(failure)) => {
                let what = format!("given up, the app stops by `{}`", self.setting(&failure));
                self.warn_failed(offset, &failure, &what);
                self.stop(offset, &failure.message);
            }
        }
    }

    fn retry(&mut self, offset: i64, pause: Duration, failure: CallFailure) {
        self.warn_failed(offset, &failure, &format!("failed, tried again in {}", Time::about(pause)));
        let now = self.scope.context.now_ms();
        let entry = self.in_flight.entry_mut(offset);
        if !self.scope.spec.retry_topics.is_empty() {
            entry.first.get_or_insert_with(|| (failure.clone(), now));
        }
        entry.attempt += 1;
        entry.failure = Some(failure);
        self.in_flight.set(offset, CallState::Paused);
        self.wait(offset, pause, TimerKind::Attempt);
        self.metrics.retried("in_place");
        self.report_disposition(offset, Disposition::Waiting);
    }

    fn go_on_in_retry_topic(&mut self, offset: i64, failure: CallFailure, cx: &mut TaskContext<'_>) {
        let next =
            self.scope.spec.next_retry_topic(&self.scope.topic).expect("it was there when it was decided");
        let what = format!("failed, goes on in {} in {}", next.name, Time(next.delay));
        self.warn_failed(offset, &failure, &what);
        self.metrics.retried("topic");
        let copy = self.retry_copy(next, offset, &failure);
        self.in_flight.entry_mut(offset).failure = Some(failure);
        self.publish(offset, vec![copy], Purpose::Retry, cx);
    }

    /// Returns which setting decides about a failure.
    fn setting(&self, failure: &CallFailure) -> &'static str {
        let own = failure.kind == REJECTION && self.scope.handler.def.on_decode_error.is_some();
        if own { "on_decode_error" } else { "on_error" }
    }

    fn stop(&mut self, offset: i64, why: &str) {
        self.in_flight.set(offset, CallState::Stopped);
        self.report_disposition(offset, Disposition::Stopped);
        let (topic, partition) = (&self.scope.topic, self.scope.partition);
        let handler = &self.scope.handler.name;
        self.scope
            .context
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
                let what = match disposition {
                    Disposition::Retried => "moved to a retry topic",
                    disposition => disposition.name(),
                };
                self.info(offset, &format!("{what} after {}", attempts(entry.attempt)));
            }
        }
        self.report_disposition(offset, disposition);
    }
}
