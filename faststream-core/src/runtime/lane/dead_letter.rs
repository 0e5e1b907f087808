//! Copies of a failed record: its dead letter, or its copy for a retry topic.

use std::sync::Arc;

use super::LaneTask;
use super::entry::CallFailure;
use crate::record::Outgoing;
use crate::subscriber::RetryTopic;
use crate::wire::dead_letter::Reason;
use crate::wire::retry::Past;
use crate::wire::{dead_letter, retry};

impl LaneTask {
    /// Returns the dead letter of a kept record.
    pub(super) fn dead_letter(&self, offset: i64, failure: &CallFailure) -> Outgoing {
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
