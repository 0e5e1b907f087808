//! Calls on the client as a whole that the safe interface does not have.

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

const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Hands the next offset of a partition to the committer, with what is to be committed beside it.
///
/// # Errors
/// The code of this one partition: an error of the whole call is not told apart by librdkafka.
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

/// The next offset of a partition, as librdkafka counts: behind the last message that was taken from its queue, and
/// behind transactions' markers, which are taken and never returned. `None` before the first of them. An error in place
/// of a message is counted as one, though its offset was not read.
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

/// What was committed beside each offset of a list, in its order. Not by the safe call: that panics at what is no text.
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

/// Commits these offsets; the result comes as an event of the consumer's queue, which that of the safe call does not.
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

/// What made the client unusable, if anything did: the code and the reason.
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
