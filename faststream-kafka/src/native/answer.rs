//! Answers of brokers to the questions of an [`AdminQueue`](super::AdminQueue).

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

const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// What tells a topic from an earlier one of its name, as Kafka's tools write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicId(Arc<str>);

impl TopicId {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a broker said.
#[derive(Debug)]
pub(crate) enum Answer {
    Offset(i64),
    /// Topics, each with its id; without one from brokers before Kafka 2.8.
    Topics(Vec<(String, Result<Option<TopicId>, RDKafkaErrorCode>)>),
    /// A broker's own settings, those with a value.
    Settings(BTreeMap<String, String>),
    Failed(RDKafkaErrorCode),
}

/// An answer as librdkafka has it.
pub(super) struct AnswerEvent(NonNull<rd_kafka_event_t>);

impl AnswerEvent {
    pub(super) fn take(queue: NonNull<rd_kafka_queue_t>, wait: Duration) -> Option<Self> {
        let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid; the event is ours.
        NonNull::new(unsafe { rd_kafka_queue_poll(queue.as_ptr(), milliseconds) }).map(Self)
    }

    pub(super) fn answer(&self) -> Answer {
        match self.error() {
            NO_ERROR => {
                let known = self.offset().or_else(|| self.topics()).or_else(|| self.settings());
                known.unwrap_or(Answer::Failed(RDKafkaErrorCode::Fail))
            }
            failed => Answer::Failed(failed.into()),
        }
    }

    fn error(&self) -> RDKafkaRespErr {
        // SAFETY: the event is valid.
        unsafe { rd_kafka_event_error(self.0.as_ptr()) }
    }

    /// If it answers where a log begins or ends.
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

    /// If it answers which topics there are.
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

    /// If it answers what a broker's settings are.
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

    /// Of its question.
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

/// `None` if it is zero: the broker is older than topic ids.
///
/// # Safety
/// The pointer is null, or points to an id that nobody else uses meanwhile.
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
