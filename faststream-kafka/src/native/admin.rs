//! Questions to brokers, with many open at a time: each is answered as soon as its own broker answers.
//!
//! The safe calls wait for each answer before the next question, so one unavailable leader would delay the
//! questions to all others. Here a question returns at once, with a number, and [`AdminQueue::next`] returns the
//! answers in the order of arrival. `next` blocks, so its users are threads of their own, not tokio workers.

use std::ffi::{CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_isolation_level,
    rd_kafka_AdminOptions_set_opaque, rd_kafka_AdminOptions_set_request_timeout, rd_kafka_AdminOptions_t,
    rd_kafka_ConfigResource_destroy, rd_kafka_ConfigResource_new, rd_kafka_DescribeConfigs,
    rd_kafka_DescribeTopics, rd_kafka_IsolationLevel_t, rd_kafka_ListOffsets, rd_kafka_ResourceType_t,
    rd_kafka_TopicCollection_destroy, rd_kafka_TopicCollection_of_topic_names, rd_kafka_admin_op_t,
    rd_kafka_error_destroy, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_t,
};
use rdkafka::consumer::ConsumerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use super::answer::{Answer, AnswerEvent};
use super::handle::{ClientHandle, NativeClient};

/// The code if a question could not be put.
const INVALID: RDKafkaErrorCode = RDKafkaErrorCode::InvalidArgument;

/// Which end of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The first offset that still exists.
    Beginning,
    /// The last stable offset: after the last record, or at the first record of an open transaction
    /// (`read_committed`).
    End,
}

/// Asks brokers through a consumer's client, and collects the answers. Dropping it drops the answers that arrive
/// later.
pub(crate) struct AdminQueue {
    /// The queue of the answers, owned by this value.
    queue: NonNull<rd_kafka_queue_t>,
    /// Keeps the client: it is not destroyed while it has queues.
    client: Arc<dyn NativeClient>,
}

// SAFETY: librdkafka's queues are internally locked and may be used from any thread.
unsafe impl Send for AdminQueue {}

impl AdminQueue {
    /// Returns a queue without questions; `None` if the library has no memory for it.
    pub(crate) fn new<C: ConsumerContext + 'static>(client: &Arc<ClientHandle<C>>) -> Option<Self> {
        // SAFETY: the client lives, as `client` is held.
        let queue = NonNull::new(unsafe { rd_kafka_queue_new(client.pointer()) })?;
        Some(Self { queue, client: Arc::<ClientHandle<C>>::clone(client) })
    }

    /// Asks a partition's leader where its log begins or ends. Returns at once.
    ///
    /// The answer has this `number`. It is an error if the leader does not answer within `timeout`. The caller
    /// gives each open question its own number.
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
        let options = Options::new(&*self.client, op, timeout, number).ok_or(INVALID)?;
        // SAFETY: client, list, options and queue are valid; list and options are copied by the call. The error of the setter
        // is ours to destroy, a null pointer is allowed.
        unsafe {
            let read_committed = rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
            let refused = rd_kafka_AdminOptions_set_isolation_level(options.0.as_ptr(), read_committed);
            rd_kafka_error_destroy(refused);
            let (options, queue) = (options.0.as_ptr(), self.queue.as_ptr());
            rd_kafka_ListOffsets(self.client.pointer(), list.ptr(), options, queue);
        }
        Ok(())
    }

    /// Asks for the ids of these topics. Returns at once. The answer has this `number`, and is an error if none
    /// arrives within `timeout`. A name with a zero byte is left out.
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
        let options = Options::new(&*self.client, op, timeout, number).ok_or(INVALID)?;
        // SAFETY: client, options and queue are valid, the names are C strings, and as many as is said; all of it is copied by
        // the calls. The collection is ours to destroy.
        unsafe {
            let collection = rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            let (options, queue) = (options.0.as_ptr(), self.queue.as_ptr());
            rd_kafka_DescribeTopics(self.client.pointer(), collection, options, queue);
            rd_kafka_TopicCollection_destroy(collection);
        }
        Ok(())
    }

    /// Asks a broker for its own settings. Returns at once. The answer has this `number`, and is an error if none
    /// arrives within `timeout`.
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
        let options = Options::new(&*self.client, op, timeout, number).ok_or(INVALID)?;
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
            rd_kafka_DescribeConfigs(self.client.pointer(), &raw mut resource, 1, options, queue);
            rd_kafka_ConfigResource_destroy(resource);
        }
        Ok(())
    }

    /// Returns the next answer, with the number of its question; waits at most `wait`. `None` if none arrived.
    pub(crate) fn next(&self, wait: Duration) -> Option<(usize, Answer)> {
        let event = AnswerEvent::take(self.queue, wait)?;
        Some((event.number(), event.answer()))
    }
}

impl Drop for AdminQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is valid, and is not used afterwards; answers that come later are dropped by librdkafka.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// The options of a question: its timeout and its number. Freed on drop, as librdkafka copies them.
struct Options(NonNull<rd_kafka_AdminOptions_t>);

impl Options {
    /// Returns options with this timeout, rounded down to milliseconds. The number travels in the pointer that
    /// librdkafka returns with the answer.
    fn new(
        client: &dyn NativeClient,
        op: rd_kafka_admin_op_t,
        timeout: Duration,
        number: usize,
    ) -> Option<Self> {
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let mut reason = [0 as c_char; 128];
        // SAFETY: the client is valid, and the buffer is as long as is said. The number is only given back.
        unsafe {
            let options = NonNull::new(rd_kafka_AdminOptions_new(client.pointer(), op))?;
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
