//! Reports about records, to the log and to observers.

use super::ack_policy::REJECTION;
use super::entry::CallFailure;
use super::{LaneTask, Scope};
use crate::context::{CallReport, Skip, catch};
use crate::log::{error, info, warn};
use crate::policy::{OnError, Order};
use crate::result::{Disposition, Outcome};
use crate::runtime::HeldRecord;

/// A held record is logged again after this many failures.
const AGAIN: u32 = 20;

impl LaneTask {
    /// Reports the end of a call.
    pub(super) fn report(&self, offset: i64, attempt: u32, outcome: &Outcome) {
        self.scope.context.observers.notify(|observer| {
            observer.called(&CallReport {
                handler: &self.scope.info.name,
                group: &self.scope.info.group,
                lane: self.scope.control.epoch,
                topic: &self.scope.topic,
                partition: self.scope.partition,
                offset,
                attempt,
                outcome,
            });
        });
    }

    /// Reports what happens to a record, once it is decided.
    pub(super) fn report_disposition(&mut self, offset: i64, disposition: Disposition) {
        match disposition {
            Disposition::Acked => self.metrics.acked(),
            Disposition::Skipped => self.metrics.settled("skipped"),
            Disposition::DeadLettered => self.metrics.settled("rejected"),
            Disposition::Waiting | Disposition::Retried => self.metrics.settled("nacked"),
            Disposition::Failed | Disposition::Held | Disposition::Stopped => self.metrics.settled("error"),
        }
        let Scope { context, handler, topic, partition, .. } = &self.scope;
        context.observers.notify(|observer| {
            observer.settled(&handler.name, topic, *partition, offset, disposition);
        });
    }

    /// Logs a failed call; `next` says what happens.
    pub(super) fn warn_failed(&self, offset: i64, failure: &CallFailure, next: &str) {
        let attempt = self.in_flight.entry(offset).attempt;
        // A tracing subscriber of the user may panic. That must not end the lane, at each attempt anew.
        let _ = catch(|| {
            warn!(topic = %self.scope.topic, partition = self.scope.partition, offset, group = %self.scope.spec.group,
                handler = %self.scope.handler.name, attempt, kind = failure.kind, "{next}: {}", failure.message);
        });
    }

    pub(super) fn info(&self, offset: i64, what: &str) {
        info!(topic = %self.scope.topic, partition = self.scope.partition, offset, group = %self.scope.spec.group,
            handler = %self.scope.handler.name, "{what}");
    }

    /// Logs a held record with the fix, and lists it. It is held by its policy, or by the `guard` for this reason.
    pub(super) fn report_held(
        &mut self,
        offset: i64,
        attempt: u32,
        failure: &CallFailure,
        guard: Option<&str>,
        first: bool,
    ) {
        let (topic, partition) = (&self.scope.topic, self.scope.partition);
        let error = guard.map_or_else(
            || failure.message.clone(),
            |why| format!("dead-letter guard, {why}: {}", failure.message),
        );
        if first || attempt.is_multiple_of(AGAIN) {
            let def = self.scope.handler.def;
            let cure = match guard {
                None if failure.kind == REJECTION => {
                    format!("set `on_decode_error = {:?}`", OnError::DeadLetter)
                }
                None if self.scope.handler.on_error == OnError::DeadLetter => {
                    "see to it that the topic that refused its copy takes it".into()
                }
                None => format!("set `on_error = {:?}`", OnError::DeadLetter),
                Some(_) => {
                    "set another limit by `GroupSettings::dead_letter_guard`, if they are all to be given up"
                        .into()
                }
            };
            let behind = match self.scope.spec.order {
                Order::Partition => "nothing behind it moves",
                Order::Key => "nothing of its key moves",
                Order::None => "others go on",
            };
            // With its time: if the topic is recreated, the offset belongs to another record.
            let timestamp = self.in_flight.get(offset).and_then(|entry| self.kept(entry).timestamp);
            let skip = Skip { topic: topic.to_string(), partition, offset, timestamp };
            let _ = catch(|| {
                error!(%topic, partition, offset, group = %self.scope.spec.group, handler = %self.scope.handler.name,
                attempt, kind = failure.kind, at = %def.location(),
                "held, {behind} ({error}): mend the cause and it goes on by itself or at the next start, or \
                 let go of it with `run --skip {skip}`, or {cure}");
            });
        }
        let record = HeldRecord {
            handler: self.scope.handler.name.clone(),
            group: self.scope.spec.group.clone(),
            topic: self.scope.topic.clone(),
            partition,
            offset,
            attempts: attempt,
            error,
        };
        if self.scope.shared.status().held.insert((self.scope.control.epoch, offset), record).is_none() {
            self.metrics.held(true);
        }
    }

    pub(super) fn report_unheld(&mut self, offset: i64) {
        if self.scope.shared.status().held.remove(&(self.scope.control.epoch, offset)).is_some() {
            self.metrics.held(false);
        }
    }

    pub(super) fn is_to_be_skipped(&self, offset: i64, timestamp: Option<i64>) -> bool {
        let (topic, partition) = (&self.scope.topic, self.scope.partition);
        let mut asked = self.scope.skips().filter(|skip| skip.offset == offset).peekable();
        if asked.peek().is_none() {
            return false;
        }
        let is_it = asked.any(|skip| skip.timestamp.is_none() || skip.timestamp == timestamp);
        if !is_it {
            warn!(%topic, partition, offset, timestamp, group = %self.scope.spec.group, handler = %self.scope.handler.name,
                "`--skip` names another record, of another time, so this one is handled: the topic was made again");
        }
        is_it
    }

    pub(super) fn log_skipped(&mut self, offset: i64) {
        let (topic, partition) = (&self.scope.topic, self.scope.partition);
        warn!(%topic, partition, offset, group = %self.scope.spec.group, handler = %self.scope.handler.name,
            "let go of, as `--skip` asked: finished without having been handled");
        self.report_disposition(offset, Disposition::Skipped);
    }
}

impl Scope {
    /// Returns the records to skip in this partition.
    fn skips(&self) -> impl Iterator<Item = &Skip> {
        let partition = self.partition;
        self.context.skips.iter().filter(move |skip| skip.topic == *self.topic && skip.partition == partition)
    }

    /// Warns about records to skip that do not exist.
    pub(super) fn warn_missed_skips(&self, from: i64, to: i64) {
        let (topic, partition) = (&self.topic, self.partition);
        for offset in self.skips().map(|skip| skip.offset).filter(|offset| (from..to).contains(offset)) {
            warn!(%topic, partition, offset, next = to, group = %self.spec.group, handler = %self.handler.name,
                "`--skip` has nothing to skip: the record is not there any more, or was handled or skipped before");
        }
    }
}
