//! Questions to brokers, many at a time: each is answered as soon as its own broker answers.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_isolation_level,
    rd_kafka_AdminOptions_set_opaque, rd_kafka_AdminOptions_set_request_timeout, rd_kafka_AdminOptions_t,
    rd_kafka_ConfigEntry_name, rd_kafka_ConfigEntry_t, rd_kafka_ConfigEntry_value,
    rd_kafka_ConfigResource_configs, rd_kafka_ConfigResource_destroy, rd_kafka_ConfigResource_error,
    rd_kafka_ConfigResource_new, rd_kafka_DescribeConfigs, rd_kafka_DescribeConfigs_result_resources,
    rd_kafka_DescribeTopics, rd_kafka_DescribeTopics_result_topics, rd_kafka_IsolationLevel_t,
    rd_kafka_ListOffsets, rd_kafka_ListOffsets_result_infos, rd_kafka_ListOffsetsResultInfo_topic_partition,
    rd_kafka_ResourceType_t, rd_kafka_TopicCollection_destroy, rd_kafka_TopicCollection_of_topic_names,
    rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_name, rd_kafka_TopicDescription_topic_id,
    rd_kafka_Uuid_base64str, rd_kafka_Uuid_least_significant_bits, rd_kafka_Uuid_most_significant_bits,
    rd_kafka_Uuid_t, rd_kafka_admin_op_t, rd_kafka_error_code, rd_kafka_error_destroy,
    rd_kafka_event_DescribeConfigs_result, rd_kafka_event_DescribeTopics_result,
    rd_kafka_event_ListOffsets_result, rd_kafka_event_destroy, rd_kafka_event_error, rd_kafka_event_opaque,
    rd_kafka_event_t, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t,
};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::consumer::ConsumerClient;

const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
const INVALID: RDKafkaErrorCode = RDKafkaErrorCode::InvalidArgument;

/// Which end of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The first offset that is still there.
    Beginning,
    /// Behind the last record that is committed.
    End,
}

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

/// Asks brokers, without waiting for one before another is asked.
pub(crate) struct AdminQueue {
    queue: NonNull<rd_kafka_queue_t>,
    /// The client is not destroyed while it has queues.
    client: Arc<ConsumerClient>,
}

// SAFETY: librdkafka's queues are internally locked and may be used from any thread.
unsafe impl Send for AdminQueue {}

impl AdminQueue {
    pub(crate) fn new(client: &Arc<ConsumerClient>) -> Option<Self> {
        // SAFETY: the client lives, as `client` is held.
        let queue = NonNull::new(unsafe { rd_kafka_queue_new(client.native()) })?;
        Some(Self { queue, client: Arc::clone(client) })
    }

    /// Asks a partition's leader where its log begins or ends. The answer has this `number`, an error if there is none
    /// within `timeout`.
    ///
    /// # Errors
    /// If the question could not be put: no answer follows.
    pub(crate) fn ask_offset(
        &self,
        number: usize,
        (topic, partition): (&str, i32),
        end: End,
        timeout: Duration,
    ) -> Result<(), RDKafkaErrorCode> {
        // Their numbers are those of the question's two kinds.
        let spec = match end {
            End::Beginning => Offset::Beginning,
            End::End => Offset::End,
        };
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(topic, partition, spec).map_err(|_| INVALID)?;
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        let options = Options::new(&self.client, op, timeout, number).ok_or(INVALID)?;
        // SAFETY: client, list, options and queue are valid; list and options are copied by the call. The error of the setter
        // is ours to destroy, a null pointer is allowed.
        unsafe {
            let read_committed = rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
            let refused = rd_kafka_AdminOptions_set_isolation_level(options.0.as_ptr(), read_committed);
            rd_kafka_error_destroy(refused);
            let (options, queue) = (options.0.as_ptr(), self.queue.as_ptr());
            rd_kafka_ListOffsets(self.client.native(), list.ptr(), options, queue);
        }
        Ok(())
    }

    /// Asks which topics these are. The answer has this `number`, an error if there is none within `timeout`.
    ///
    /// # Errors
    /// If the question could not be put: no answer follows.
    pub(crate) fn ask_topics<'a>(
        &self,
        number: usize,
        topics: impl Iterator<Item = &'a str>,
        timeout: Duration,
    ) -> Result<(), RDKafkaErrorCode> {
        let names: Vec<CString> = topics.filter_map(|topic| CString::new(topic).ok()).collect();
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = Options::new(&self.client, op, timeout, number).ok_or(INVALID)?;
        // SAFETY: client, options and queue are valid, the names are C strings, and as many as is said; all of it is copied by
        // the calls. The collection is ours to destroy.
        unsafe {
            let collection = rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            let (options, queue) = (options.0.as_ptr(), self.queue.as_ptr());
            rd_kafka_DescribeTopics(self.client.native(), collection, options, queue);
            rd_kafka_TopicCollection_destroy(collection);
        }
        Ok(())
    }

    /// Asks a broker for one of its own settings. The answer has this `number`, an error if there is none within `timeout`.
    ///
    /// # Errors
    /// If the question could not be put: no answer follows.
    pub(crate) fn ask_setting(
        &self,
        number: usize,
        broker: i32,
        timeout: Duration,
    ) -> Result<(), RDKafkaErrorCode> {
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
        let options = Options::new(&self.client, op, timeout, number).ok_or(INVALID)?;
        let name = CString::new(broker.to_string()).map_err(|_| INVALID)?;
        // SAFETY: client, options and queue are valid, the name is a C string; all of it is copied by the calls. The resource is
        // ours to destroy.
        unsafe {
            let kind = rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_BROKER;
            let mut resource = rd_kafka_ConfigResource_new(kind, name.as_ptr());
            if resource.is_null() {
                return Err(INVALID);
            }
            let (options, queue) = (options.0.as_ptr(), self.queue.as_ptr());
            rd_kafka_DescribeConfigs(self.client.native(), &raw mut resource, 1, options, queue);
            rd_kafka_ConfigResource_destroy(resource);
        }
        Ok(())
    }

    /// The next answer, with the number of its question. `None` if none came in time.
    pub(crate) fn next(&self, wait: Duration) -> Option<(usize, Answer)> {
        let event = Event::take(self.queue, wait)?;
        let answer = match event.error() {
            NO_ERROR => event
                .offset()
                .or_else(|| event.topics())
                .or_else(|| event.settings())
                .unwrap_or(Answer::Failed(RDKafkaErrorCode::Fail)),
            failed => Answer::Failed(failed.into()),
        };
        Some((event.number(), answer))
    }
}

impl Drop for AdminQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is valid, and is not used afterwards; answers that come later are dropped by librdkafka.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) };
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

/// How a question is put.
struct Options(NonNull<rd_kafka_AdminOptions_t>);

impl Options {
    fn new(
        client: &ConsumerClient,
        op: rd_kafka_admin_op_t,
        timeout: Duration,
        number: usize,
    ) -> Option<Self> {
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let mut reason = [0 as c_char; 128];
        // SAFETY: the client is valid, and the buffer is as long as is said. The number is only given back.
        unsafe {
            let options = NonNull::new(rd_kafka_AdminOptions_new(client.native(), op))?;
            let (text, length) = (reason.as_mut_ptr(), reason.len());
            rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), milliseconds, text, length);
            let number: *mut c_void = ptr::without_provenance_mut(number);
            rd_kafka_AdminOptions_set_opaque(options.as_ptr(), number);
            Some(Self(options))
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: they are ours, and not used afterwards.
        unsafe { rd_kafka_AdminOptions_destroy(self.0.as_ptr()) };
    }
}

/// An answer.
struct Event(NonNull<rd_kafka_event_t>);

impl Event {
    fn take(queue: NonNull<rd_kafka_queue_t>, wait: Duration) -> Option<Self> {
        let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid; the event is ours.
        NonNull::new(unsafe { rd_kafka_queue_poll(queue.as_ptr(), milliseconds) }).map(Self)
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
    fn number(&self) -> usize {
        // SAFETY: the event is valid.
        unsafe { rd_kafka_event_opaque(self.0.as_ptr()) }.addr()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it is ours, and not used afterwards.
        unsafe { rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}
