//! Reads the answers of brokers to the questions of an [`AdminQueue`](super::AdminQueue), and copies them out of
//! librdkafka's events.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_ConfigEntry_name, rd_kafka_ConfigEntry_t, rd_kafka_ConfigEntry_value,
    rd_kafka_ConfigResource_configs, rd_kafka_ConfigResource_error,
    rd_kafka_DescribeConfigs_result_resources, rd_kafka_DescribeTopics_result_topics,
    rd_kafka_ListOffsets_result_infos, rd_kafka_ListOffsetsResultInfo_topic_partition,
    rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_name, rd_kafka_TopicDescription_topic_id,
    rd_kafka_Uuid_base64str, rd_kafka_Uuid_least_significant_bits, rd_kafka_Uuid_most_significant_bits,
    rd_kafka_Uuid_t, rd_kafka_error_code, rd_kafka_event_DescribeConfigs_result,
    rd_kafka_event_DescribeTopics_result, rd_kafka_event_ListOffsets_result, rd_kafka_event_destroy,
    rd_kafka_event_error, rd_kafka_event_opaque, rd_kafka_event_t, rd_kafka_queue_poll, rd_kafka_queue_t,
};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

/// Success, among librdkafka's codes.
const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The id of a topic, in base64 as Kafka's tools print it. It differs from that of an earlier topic of the same
/// name, so it reveals that a topic was deleted and recreated (KIP-516).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicId(Arc<str>);

impl TopicId {
    /// Returns the id with this text.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The answer of a broker.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The beginning or the end of a partition's log, as an offset.
    Offset(i64),
    /// Topics by name, each with its id or the code of its refusal. The id is `None` from brokers before Kafka
    /// 2.8.
    Topics(Vec<(String, Result<Option<TopicId>, RDKafkaErrorCode>)>),
    /// A broker's own settings that have a value, by name.
    Settings(BTreeMap<String, String>),
    /// The question failed: the broker's code, or the client's at the timeout.
    Failed(RDKafkaErrorCode),
}

/// An answer as an event of librdkafka, which this value owns.
pub(super) struct AnswerEvent(NonNull<rd_kafka_event_t>);

impl AnswerEvent {
    /// Returns the next answer of the queue; waits at most `wait`, and returns `None` then.
    pub(super) fn take(queue: NonNull<rd_kafka_queue_t>, wait: Duration) -> Option<Self> {
        let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid; the event is ours.
        NonNull::new(unsafe { rd_kafka_queue_poll(queue.as_ptr(), milliseconds) }).map(Self)
    }

    /// Returns a copy of the answer. The kind is known by which result the event has; an event with none counts as
    /// failed.
    pub(super) fn answer(&self) -> Answer {
        match self.error() {
            NO_ERROR => {
                let known = self.offset().or_else(|| self.topics()).or_else(|| self.settings());
                known.unwrap_or(Answer::Failed(RDKafkaErrorCode::Fail))
            }
            failed => Answer::Failed(failed.into()),
        }
    }

    /// Returns the code of the question as a whole.
    fn error(&self) -> RDKafkaRespErr {
        // SAFETY: the event is valid.
        unsafe { rd_kafka_event_error(self.0.as_ptr()) }
    }

    /// Returns the answer if the question was where a log begins or ends. A negative offset means that the leader
    /// did not know it.
    fn offset(&self) -> Option<Answer> {
        let mut count = 0;
        // SAFETY: the event is valid; the result belongs to it, and is null if it is of another kind. It has as many elements
        // as it says, each of them valid while the event is.
        let found = unsafe {
            let result = rd_kafka_event_ListOffsets_result(self.0.as_ptr());
            if result.is_null() {
                return None;
            }
            let all = rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            if all.is_null() || count == 0 {
                return None;
            }
            &*rd_kafka_ListOffsetsResultInfo_topic_partition(*all)
        };
        Some(match (found.err, found.offset) {
            (NO_ERROR, offset @ 0..) => Answer::Offset(offset),
            (NO_ERROR, _) => Answer::Failed(RDKafkaErrorCode::LeaderNotAvailable),
            (failed, _) => Answer::Failed(failed.into()),
        })
    }

    /// Returns the answer if the question was for topics.
    fn topics(&self) -> Option<Answer> {
        let mut count = 0;
        // SAFETY: as in `offset`.
        let all = unsafe {
            let result = rd_kafka_event_DescribeTopics_result(self.0.as_ptr());
            if result.is_null() {
                return None;
            }
            let all = rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            if all.is_null() { &[][..] } else { slice::from_raw_parts(all, count) }
        };
        let described = all.iter().map(|topic| {
            // SAFETY: each element is valid while the event is; names end with a null byte, and a topic without an error has
            // an id.
            unsafe {
                let name =
                    CStr::from_ptr(rd_kafka_TopicDescription_name(*topic)).to_string_lossy().into_owned();
                let failed = rd_kafka_error_code(rd_kafka_TopicDescription_error(*topic));
                if failed != NO_ERROR {
                    return (name, Err(failed.into()));
                }
                (name, Ok(topic_id(rd_kafka_TopicDescription_topic_id(*topic))))
            }
        });
        Some(Answer::Topics(described.collect()))
    }

    /// Returns the answer if the question was for a broker's settings. Settings without a value (passwords) are
    /// left out.
    fn settings(&self) -> Option<Answer> {
        let mut count = 0;
        // SAFETY: as in `offset`; names and values end with a null byte, and a value may be null.
        unsafe {
            let result = rd_kafka_event_DescribeConfigs_result(self.0.as_ptr());
            if result.is_null() {
                return None;
            }
            let all = rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            if all.is_null() || count == 0 {
                return None;
            }
            let failed = rd_kafka_ConfigResource_error(*all);
            if failed != NO_ERROR {
                return Some(Answer::Failed(failed.into()));
            }
            let entries = rd_kafka_ConfigResource_configs(*all, &raw mut count);
            let entries = if entries.is_null() { &[][..] } else { slice::from_raw_parts(entries, count) };
            let text = |pointer: *const c_char| {
                (!pointer.is_null()).then(|| CStr::from_ptr(pointer).to_string_lossy().into_owned())
            };
            let setting = |entry: &*const rd_kafka_ConfigEntry_t| {
                Some((text(rd_kafka_ConfigEntry_name(*entry))?, text(rd_kafka_ConfigEntry_value(*entry))?))
            };
            Some(Answer::Settings(entries.iter().filter_map(setting).collect()))
        }
    }

    /// Returns the number of its question.
    pub(super) fn number(&self) -> usize {
        // SAFETY: the event is valid.
        unsafe { rd_kafka_event_opaque(self.0.as_ptr()) }.addr()
    }
}

impl Drop for AnswerEvent {
    fn drop(&mut self) {
        // SAFETY: it is ours, and not used afterwards.
        unsafe { rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// Returns a topic's id; `None` if it is zero, because the broker is older than topic ids.
///
/// # Safety
/// The pointer is null, or points to an id that nobody else uses meanwhile: the text is cached inside it.
unsafe fn topic_id(id: *const rd_kafka_Uuid_t) -> Option<TopicId> {
    if id.is_null() {
        return None;
    }
    // SAFETY: it is valid, and its text is written by this call, ends with a null byte, and is copied.
    unsafe {
        let is_zero =
            rd_kafka_Uuid_most_significant_bits(id) == 0 && rd_kafka_Uuid_least_significant_bits(id) == 0;
        let text = rd_kafka_Uuid_base64str(id);
        (!is_zero && !text.is_null()).then(|| TopicId::new(&CStr::from_ptr(text).to_string_lossy()))
    }
}
