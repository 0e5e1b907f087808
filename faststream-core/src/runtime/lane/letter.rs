//! Copies of a record: its results, its next stage, its dead letter. Confirmed by the broker before it is finished.

use std::task::Context as TaskContext;
use std::time::Duration;

use bytes::Bytes;

use super::LaneTask;
use super::report::Fate;
use super::slots::{Copies, Failure, Purpose, State};
use super::stage::{cut, without_past};
use super::step::{Step, Wait, Waiting, poll_receipts, take_known};
use super::timers::Kind;
use crate::broker::{PublishError, PublishErrorKind};
use crate::log::Time;
use crate::policy::{AckPolicy, Retry};
use crate::publish::{Outgoing, Partition};
#[cfg(feature = "planted-bugs")]
use crate::runtime::planted::{self, Planted};
use crate::verdict::Verdict;

/// The copy is kept and published again without end.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// What somebody has to mend in the cluster is soon seen to be mended.
const DENIED: Duration = Duration::from_secs(3);

impl LaneTask {
    /// The copies first; the record is finished by their confirmation.
    pub(super) fn publish(
        &mut self,
        offset: i64,
        copies: Vec<Outgoing>,
        purpose: Purpose,
        cx: &mut TaskContext<'_>,
    ) {
        let Some(slot) = self.slots.get_mut(offset) else { return };
        slot.copies = Some(Copies { left: copies, purpose, failures: 0 });
        #[cfg(feature = "planted-bugs")]
        {
            planted::finish_if(Planted::SettleEarly, &mut self.offsets, offset);
            if purpose == Purpose::Retry {
                planted::finish_if(Planted::GoOnEarly, &mut self.offsets, offset);
            }
        }
        self.publish_again(offset, cx);
    }

    /// Publishes what is not confirmed yet.
    pub(super) fn publish_again(&mut self, offset: i64, cx: &mut TaskContext<'_>) {
        let Some(copies) = self.slots.get(offset).and_then(|slot| slot.copies.as_ref()) else { return };
        let receipts =
            copies.left.iter().map(|copy| Waiting::Open(self.context.producer.enqueue(copy.clone())));
        let mut receipts: Vec<_> = receipts.collect();
        if poll_receipts(&mut receipts, cx) {
            self.confirmed(offset, take_known(&mut receipts), cx);
        } else {
            self.slots.set(offset, State::Confirming);
            // The handler is done with it: the next one of the key may start.
            self.free_key(offset);
            self.running.push(Step { offset, wait: Wait::Confirm(receipts) });
        }
    }

    /// The broker answered for every copy that was published.
    pub(super) fn confirmed(
        &mut self,
        offset: i64,
        results: Vec<Result<(), PublishError>>,
        cx: &mut TaskContext<'_>,
    ) {
        let Some(slot) = self.slots.get_mut(offset) else { return };
        let Some(copies) = &mut slot.copies else { return };
        let mut results = results.into_iter();
        let mut worst: Option<PublishError> = None;
        copies.left.retain(|_| match results.next() {
            Some(Err(error)) => {
                if worst.as_ref().is_none_or(|worst| worst.kind != PublishErrorKind::Permanent) {
                    worst = Some(error);
                }
                true
            }
            _ => false,
        });
        let (purpose, attempt) = (copies.purpose, slot.attempt);
        let Some(error) = worst else {
            slot.copies = None;
            let fate = match purpose {
                // Published by the call; whether the record is finished, the `Ack` says.
                Purpose::Results if self.subscriber.ack == AckPolicy::Manual => {
                    return self.returned_by_hand(offset, Verdict::Ack, cx);
                }
                Purpose::Results => Fate::Acked,
                Purpose::Retry => Fate::Retried,
                Purpose::DeadLetter => Fate::DeadLettered,
            };
            return self.finish(offset, fate);
        };
        copies.failures += 1;
        let failures = copies.failures;
        let failure = Failure::publish(&error);
        match (error.kind, purpose) {
            (PublishErrorKind::Permanent, Purpose::Results) => {
                slot.copies = None;
                self.failed(offset, failure, None, cx);
            }
            // Never lost: kept back, until somebody changes what makes it impossible.
            (PublishErrorKind::Permanent, Purpose::Retry | Purpose::DeadLetter) => {
                slot.copies = None;
                self.hold(offset, attempt, &failure, true);
            }
            (PublishErrorKind::QueueFull | PublishErrorKind::Retriable, _) => {
                self.try_later(offset, failures, AGAIN.1, &failure);
            }
            (PublishErrorKind::Denied, _) => self.try_later(offset, failures, DENIED, &failure),
        }
    }

    /// The encoded copies are kept and published again; the handler does not run for it.
    fn try_later(&mut self, offset: i64, failures: u32, longest: Duration, failure: &Failure) {
        let backoff = Retry::attempts(u32::MAX).backoff(AGAIN.0, longest);
        let pause = backoff.pause_after(failures, self.context.random()).unwrap_or(longest);
        if failures.is_power_of_two() {
            let next = format!(
                "not published, tried again in {}; the record is not finished before",
                Time::about(pause)
            );
            self.warn_failed(offset, failures, failure, &next);
        }
        self.slots.set(offset, State::Paused);
        self.wait(offset, pause, Kind::Attempt);
    }

    /// Same key and value, same partition number where it exists, the reason in the headers.
    pub(super) fn dead_letter(&self, offset: i64, attempt: u32, failure: &Failure) -> Outgoing {
        let slot = self.slots.get(offset).expect("only kept records are given up");
        let record = self.original(self.kept(slot));
        let mut headers =
            if self.stage.is_some() { without_past(&record) } else { record.to_owned_record().headers };
        let mut add = |name: &'static str, value: String| {
            headers.push((Bytes::from_static(name.as_bytes()), Some(value.into())));
        };
        add("dlt-original-topic", record.topic.to_owned());
        add("dlt-original-partition", record.partition.to_string());
        add("dlt-original-offset", record.offset.to_string());
        if let Some(timestamp) = record.timestamp {
            add("dlt-original-timestamp", timestamp.to_string());
        }
        add("dlt-consumer-group", self.subscriber.group.to_string());
        add("dlt-handler", self.subscriber.handler.to_string());
        add("dlt-attempts", attempt.to_string());
        add("dlt-error-type", failure.kind.to_owned());
        add("dlt-error-message", cut(&failure.message).to_owned());
        add("dlt-failed-at", self.context.now_ms().to_string());
        Outgoing {
            topic: self.subscriber.dead_letter_topic(&self.topic),
            partition: Partition::IfExists(record.partition),
            key: record.key.map(Bytes::copy_from_slice),
            payload: record.payload.map(Bytes::copy_from_slice),
            headers,
            timestamp: None,
        }
    }
}
