//! Dead letters: records that were given up on, with the reason in their headers.

use bytes::Bytes;

use super::LaneTask;
use super::slots::Failure;
use super::stage::{cut, without_past};
use crate::publish::{Outgoing, Partition};

impl LaneTask {
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
