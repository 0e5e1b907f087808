//! Calls on a consumer's client as a whole that the safe interface does not have.
//!
//! Each may be called on any thread; librdkafka locks internally. None of them waits for a broker.

use std::ffi::{CStr, c_char};
use std::slice;

use rdkafka::bindings::{
    rd_kafka_commit_queue, rd_kafka_fatal_error, rd_kafka_offsets_store, rd_kafka_position,
    rd_kafka_queue_destroy, rd_kafka_queue_get_consumer,
};
use rdkafka::consumer::ConsumerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::handle::{ClientHandle, NativeClient as _};

/// Success, among librdkafka's codes.
const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Stores the next offset of a partition for the next commit, with the metadata that is to be committed beside it.
///
/// `next` is the offset after the last finished record, and is committed as it is. Allocates a list of one
/// element, about 250 ns in all. The caller checks the assignment's epoch under its lock: librdkafka accepts an
/// offset of an earlier assignment if the partition is assigned again.
///
/// # Errors
/// The code of this one partition, because librdkafka returns that for the whole call. `_STATE` means that the
/// partition is not assigned any more.
pub(crate) fn store_offset<C: ConsumerContext>(
    client: &ClientHandle<C>,
    topic: &str,
    partition: i32,
    next: i64,
    metadata: Option<&str>,
) -> Result<(), RDKafkaRespErr> {
    let mut list = TopicPartitionList::with_capacity(1);
    if list.add_partition_offset(topic, partition, Offset::Offset(next)).is_err() {
        return Err(RDKafkaRespErr::RD_KAFKA_RESP_ERR__INVALID_ARG);
    }
    if let (Some(metadata), Some(element)) = (metadata, list.elements().first_mut()) {
        element.set_metadata(metadata);
    }
    // SAFETY: client and list are valid; the list is only written to.
    let result = unsafe { rd_kafka_offsets_store(client.pointer(), list.ptr()) };
    if result == NO_ERROR { Ok(()) } else { Err(result) }
}

/// Returns the next offset to be read of a partition, as librdkafka counts: after the last message that was taken
/// from its queue, and after the markers of transactions, which it consumes and never returns. `None` before the
/// first of them.
///
/// An error entry in place of a message counts as one, though its offset was not read (librdkafka issue 4844). So
/// the position may be too far after a batch with errors.
pub(crate) fn position<C: ConsumerContext>(
    client: &ClientHandle<C>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, partition);
    // SAFETY: client and list are valid; the list is only written to.
    let result = unsafe { rd_kafka_position(client.pointer(), list.ptr()) };
    match list.elements().first()?.offset() {
        Offset::Offset(next) if result == NO_ERROR => Some(next),
        _ => None,
    }
}

/// Returns the metadata that was committed beside each offset of a list, in its order; empty if there is none.
///
/// The safe call panics if it is not UTF-8, and any client may have committed anything.
pub(crate) fn committed_metadata(list: &TopicPartitionList) -> Vec<Vec<u8>> {
    let count = list.count();
    // SAFETY: the list is valid and has as many elements as it says; each one's metadata is null or as long as it says.
    unsafe {
        let elements = (*list.ptr()).elems;
        let metadata = |index| {
            let element = &*elements.add(index);
            if element.metadata.is_null() {
                return Vec::new();
            }
            slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size).to_vec()
        };
        (0..count).map(metadata).collect()
    }
}

/// Starts a commit of these next offsets, and returns at once. The result arrives as an event of the consumer's
/// queue, so that its commit callback gets it; the safe call has no such event.
///
/// # Errors
/// If librdkafka refuses to start the commit: no event follows then.
pub(crate) fn commit<C: ConsumerContext>(
    client: &ClientHandle<C>,
    offsets: &TopicPartitionList,
) -> Result<(), RDKafkaRespErr> {
    // SAFETY: client and list are valid, the list is copied; the queue is held for the call, and librdkafka takes a
    // reference of its own.
    let result = unsafe {
        let queue = rd_kafka_queue_get_consumer(client.pointer());
        let result =
            rd_kafka_commit_queue(client.pointer(), offsets.ptr(), queue, None, std::ptr::null_mut());
        if !queue.is_null() {
            rd_kafka_queue_destroy(queue);
        }
        result
    };
    if result == NO_ERROR { Ok(()) } else { Err(result) }
}

/// Returns the error that made the client unusable, if there was one: its code and the reason, at most 511 bytes.
///
/// A client with a fatal error still delivers records (a fenced static member for up to its session timeout), so
/// the caller has to stop its lanes.
pub(crate) fn fatal_error<C: ConsumerContext>(client: &ClientHandle<C>) -> Option<(RDKafkaRespErr, String)> {
    let mut reason = [0 as c_char; 512];
    // SAFETY: the client is valid, and the buffer is as long as is said.
    let code = unsafe { rd_kafka_fatal_error(client.pointer(), reason.as_mut_ptr(), reason.len()) };
    if code == NO_ERROR {
        return None;
    }
    // SAFETY: librdkafka ends what it writes with a null byte.
    let reason = unsafe { CStr::from_ptr(reason.as_ptr()) }.to_string_lossy().into_owned();
    Some((code, reason))
}
