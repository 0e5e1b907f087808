//! Dead letters: records that were given up on, with the reason in their headers.

use bytes::Bytes;

use super::LaneTask;
use super::entry::CallFailure;
use super::retry_topic::{cut, without_retry_headers};
use crate::record::{Outgoing, Partition};

const TOPIC: &str = "dlt-original-topic";
const PARTITION: &str = "dlt-original-partition";
const OFFSET: &str = "dlt-original-offset";
const TIMESTAMP: &str = "dlt-original-timestamp";
const GROUP: &str = "dlt-consumer-group";
const HANDLER: &str = "dlt-handler";
const ATTEMPTS: &str = "dlt-attempts";
const ERROR_TYPE: &str = "dlt-error-type";
const ERROR_MESSAGE: &str = "dlt-error-message";
const FAILED_AT: &str = "dlt-failed-at";
const ALL: [&str; 10] =
    [TOPIC, PARTITION, OFFSET, TIMESTAMP, GROUP, HANDLER, ATTEMPTS, ERROR_TYPE, ERROR_MESSAGE, FAILED_AT];

impl LaneTask {
    /// Same key and value, same partition number where it exists, the reason in the headers: once, of this failure, however
    /// often the record was a dead letter or a retry copy before.
    pub(super) fn dead_letter(&self, offset: i64, failure: &CallFailure) -> Outgoing {
        let entry = self.in_flight.entry(offset);
        let record = self.original(self.kept(entry));
        let mut headers = without_retry_headers(&record);
        headers.retain(|(name, _)| !ALL.iter().any(|known| known.as_bytes() == name.as_ref()));
        let mut add = |name: &'static str, value: String| {
            headers.push((Bytes::from_static(name.as_bytes()), Some(value.into())));
        };
        add(TOPIC, record.topic.to_owned());
        add(PARTITION, record.partition.to_string());
        add(OFFSET, record.offset.to_string());
        if let Some(timestamp) = record.timestamp {
            add(TIMESTAMP, timestamp.to_string());
        }
        add(GROUP, self.scope.subscriber.group.to_string());
        add(HANDLER, self.scope.subscriber.handler.to_string());
        add(ATTEMPTS, entry.attempt.to_string());
        add(ERROR_TYPE, failure.kind.to_owned());
        add(ERROR_MESSAGE, cut(&failure.message).to_owned());
        add(FAILED_AT, self.scope.context.now_ms().to_string());
        Outgoing {
            topic: self.scope.subscriber.dead_letter_topic(&self.scope.topic),
            partition: Partition::IfExists(record.partition),
            key: record.key.map(Bytes::copy_from_slice),
            payload: record.payload.map(Bytes::copy_from_slice),
            headers,
            timestamp: None,
        }
    }
}
