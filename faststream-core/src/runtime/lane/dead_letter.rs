//! Where dead letters are written: the guard is asked, the copy is encoded and published. Copies for retry topics are
//! encoded here, too.
//!
//! The record is finished when the broker has confirmed the copy (`output`).

use std::sync::Arc;
use std::task::Context as TaskContext;

use super::LaneTask;
use super::ack_policy::WhileHeld;
use super::copies::Purpose;
use super::entry::{CallFailure, Guarded};
use super::guard;
use crate::record::Outgoing;
use crate::subscriber::RetryTopic;
use crate::wire::dead_letter::Reason;
use crate::wire::retry::Past;
use crate::wire::{dead_letter, retry};

impl LaneTask {
    /// Publishes a dead letter, unless the guard refuses.
    pub(super) fn give_up(
        &mut self,
        offset: i64,
        failure: CallFailure,
        held: WhileHeld,
        cx: &mut TaskContext<'_>,
    ) {
        if let Some(why) = self.guard_refuses(offset, &failure) {
            return self.hold(offset, &failure, held, Some(&why));
        }
        self.metrics.dead_lettered(failure.kind);
        let letter = self.dead_letter(offset, &failure);
        self.warn_failed(offset, &failure, &format!("given up, to the dead letters in {}", letter.topic));
        self.in_flight.entry_mut(offset).failure = Some(failure);
        self.publish(offset, vec![letter], Purpose::DeadLetter, cx);
    }

    /// Returns whether the dead-letter guard holds the record, and why. Otherwise it has counted the record, once.
    fn guard_refuses(&mut self, offset: i64, failure: &CallFailure) -> Option<String> {
        let is_oldest = self.offsets.oldest() == Some(offset);
        let entry = self.in_flight.entry_mut(offset);
        if entry.guard == Guarded::Counted {
            return None;
        }
        let reason = guard::Reason::of(failure);
        // Of several held records, one is the probe.
        let probes = match entry.guard {
            Guarded::KeptBack(probes) => probes + u32::from(is_oldest),
            _ => 0,
        };
        let is_probe = matches!(entry.guard, Guarded::KeptBack(_)) && is_oldest;
        let is_given_up = is_probe && self.guard.gives_up_probe(&reason, probes);
        let refused = if is_given_up { None } else { self.guard.refuses() };
        entry.guard = if refused.is_some() { Guarded::KeptBack(probes) } else { Guarded::Counted };
        if refused.is_none() {
            self.guard.dead_lettered(reason);
        }
        refused
    }

    /// Returns the dead letter of a kept record.
    fn dead_letter(&self, offset: i64, failure: &CallFailure) -> Outgoing {
        let entry = self.in_flight.entry(offset);
        let reason = Reason {
            group: &self.scope.spec.group,
            handler: &self.scope.handler.name,
            attempts: entry.attempt,
            error_type: failure.kind,
            error_message: &failure.message,
            failed_at: self.scope.context.now_ms(),
        };
        let topic = Arc::clone(&self.scope.dead_letter_topic);
        dead_letter::encode(&self.original(self.kept(entry)), topic, &reason)
    }

    /// Returns the copy of a kept record for this retry topic. Of several failures, the first one is kept.
    pub(super) fn retry_copy(&self, next: &RetryTopic, offset: i64, failure: &CallFailure) -> Outgoing {
        let entry = self.in_flight.entry(offset);
        let record = self.kept(entry);
        let now = self.scope.context.now_ms();
        let (first, at) = entry.first.as_ref().map_or((failure, now), |(first, at)| (first, *at));
        let past = Past {
            due: self.scope.context.ms_after(next.delay),
            attempts: entry.attempt,
            first_failed_at: at,
            error_type: first.kind,
            error_message: &first.message,
        };
        let is_copy = self.scope.retry_topic.is_some();
        let original = self.original(record);
        retry::encode(&record, &original, is_copy, next.name.clone(), &past)
    }
}
