//! Questions to brokers, many at a time: each is answered as soon as its own broker answers.

use std::ffi::{c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_isolation_level,
    rd_kafka_AdminOptions_set_opaque, rd_kafka_AdminOptions_set_request_timeout, rd_kafka_AdminOptions_t,
    rd_kafka_IsolationLevel_t, rd_kafka_ListOffsets, rd_kafka_ListOffsets_result_infos,
    rd_kafka_ListOffsetsResultInfo_topic_partition, rd_kafka_admin_op_t, rd_kafka_error_destroy,
    rd_kafka_event_ListOffsets_result, rd_kafka_event_destroy, rd_kafka_event_error, rd_kafka_event_opaque,
    rd_kafka_event_t, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t,
};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::consumer::Client;

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

/// Asks brokers, without waiting for one before another is asked.
pub(crate) struct AdminQueue {
    queue: NonNull<rd_kafka_queue_t>,
    /// The client is not destroyed while it has queues.
    client: Arc<Client>,
}

// SAFETY: librdkafka's queues are internally locked and may be used from any thread.
unsafe impl Send for AdminQueue {}

impl AdminQueue {
    pub(crate) fn new(client: &Arc<Client>) -> Option<Self> {
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

    /// The next answer to [`ask_offset`](Self::ask_offset), with the number of its question. `None` if none came in time.
    pub(crate) fn next_offset(&self, wait: Duration) -> Option<(usize, Result<i64, RDKafkaErrorCode>)> {
        let event = Event::take(self.queue, wait)?;
        let failed = event.error();
        // SAFETY: the event is valid; the result belongs to it, and is null if it is of another kind.
        let result = unsafe { rd_kafka_event_ListOffsets_result(event.0.as_ptr()) };
        let answer = if failed != NO_ERROR {
            Err(failed.into())
        } else if result.is_null() {
            Err(RDKafkaErrorCode::Fail)
        } else {
            let mut count = 0;
            // SAFETY: the result is valid while the event is; it has as many elements as it says, each of them valid.
            unsafe {
                let all = rd_kafka_ListOffsets_result_infos(result, &raw mut count);
                if all.is_null() || count == 0 {
                    Err(RDKafkaErrorCode::Fail)
                } else {
                    let found = &*rd_kafka_ListOffsetsResultInfo_topic_partition(*all);
                    if found.err != NO_ERROR {
                        Err(found.err.into())
                    } else if found.offset < 0 {
                        Err(RDKafkaErrorCode::LeaderNotAvailable)
                    } else {
                        Ok(found.offset)
                    }
                }
            }
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

/// How a question is put.
struct Options(NonNull<rd_kafka_AdminOptions_t>);

impl Options {
    fn new(client: &Client, op: rd_kafka_admin_op_t, timeout: Duration, number: usize) -> Option<Self> {
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
