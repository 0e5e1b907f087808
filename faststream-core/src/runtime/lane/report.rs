//! What is said about records: to the log and to observers.

use tracing::{error, info, warn};

use super::LaneTask;
use super::slots::Failure;
use crate::app::CallReport;
use crate::delivery::Outcome;
use crate::policy::OnError;
use crate::runtime::HeldRecord;

/// A held record is said again when it failed this often.
const AGAIN: u32 = 20;

impl LaneTask {
    /// A call ended.
    pub(super) fn report(&self, offset: i64, attempt: u32, outcome: &Outcome) {
        let Some(observer) = &self.context.observer else { return };
        observer.called(&CallReport {
            handler: &self.subscriber.handler,
            group: &self.subscriber.group,
            topic: &self.topic,
            partition: self.lane.partition(),
            offset,
            attempt,
            outcome,
        });
    }

    /// It is decided what becomes of a record.
    pub(super) fn tell_fate(&self, offset: i64, fate: &'static str) {
        if let Some(observer) = &self.context.observer {
            observer.settled(&self.subscriber.handler, &self.topic, self.lane.partition(), offset, fate);
        }
    }

    /// A call failed; `next` says what happens.
    pub(super) fn warn_failed(&self, offset: i64, attempt: u32, failure: &Failure, next: &str) {
        warn!(topic = %self.topic, partition = self.lane.partition(), offset, group = %self.subscriber.group,
            handler = %self.subscriber.handler, attempt, kind = failure.kind, "{next}: {}", failure.message);
    }

    pub(super) fn info(&self, offset: i64, what: &str) {
        info!(topic = %self.topic, partition = self.lane.partition(), offset, group = %self.subscriber.group,
            handler = %self.subscriber.handler, "{what}");
    }

    /// The record is kept back: said with the cure, and listed.
    pub(super) fn tell_held(&self, offset: i64, attempt: u32, failure: &Failure, first: bool) {
        let (topic, partition) = (&self.topic, self.lane.partition());
        if first || attempt.is_multiple_of(AGAIN) {
            let def = self.subscriber.def;
            error!(%topic, partition, offset, group = %self.subscriber.group, handler = %self.subscriber.handler,
                attempt, kind = failure.kind, at = %def.place(),
                "held, nothing behind it moves ({}): mend the cause and it goes on by itself or at the next start, or let \
                 go of it with `run --skip {topic}:{partition}:{offset}`, or set `on_error = {:?}`",
                failure.message, OnError::DeadLetter);
        }
        let record = HeldRecord {
            handler: self.subscriber.handler.clone(),
            group: self.subscriber.group.clone(),
            topic: self.topic.clone(),
            partition,
            offset,
            attempts: attempt,
            error: failure.message.clone(),
        };
        self.shared.status().held.insert((self.control.epoch, offset), record);
    }

    pub(super) fn tell_unheld(&self, offset: i64) {
        self.shared.status().held.remove(&(self.control.epoch, offset));
    }

    pub(super) fn is_to_be_skipped(&self, offset: i64) -> bool {
        let (topic, partition) = (&self.topic, self.lane.partition());
        let skip = self.context.skips.contains(&(topic.to_string(), partition, offset));
        if skip {
            warn!(%topic, partition, offset, group = %self.subscriber.group, handler = %self.subscriber.handler,
                "let go of, as `--skip` asked: finished without having been handled");
            self.tell_fate(offset, "skipped");
        }
        skip
    }
}
