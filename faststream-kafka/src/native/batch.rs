//! Messages as librdkafka parsed them: nothing is copied, and freed on drop.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use faststream_core::record::{HeaderList, Record};
use rdkafka::bindings::{
    rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_message_destroy, rd_kafka_message_headers,
    rd_kafka_message_t, rd_kafka_message_timestamp, rd_kafka_timestamp_type_t,
};
use rdkafka::types::RDKafkaRespErr;

use super::handle::NativeClient;

use RDKafkaRespErr::{
    RD_KAFKA_RESP_ERR__BAD_COMPRESSION as BAD_COMPRESSION, RD_KAFKA_RESP_ERR__BAD_MSG as BAD_MSG,
    RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED as NOT_IMPLEMENTED,
};

const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Messages of one partition, in order. Holds the client: messages are gone before it is.
pub(crate) struct Batch {
    messages: Vec<Message>,
    /// Entries that were errors instead of messages.
    errors: Vec<RDKafkaRespErr>,
    /// The first records that cannot be read, and how many messages came before.
    corruption: Option<(usize, Corruption)>,
    _client: Arc<dyn NativeClient>,
}

/// Records that cannot be read: bytes of theirs were changed, or this library knows no such format.
#[derive(Debug, Clone)]
pub(crate) struct Corruption {
    /// The first of them.
    pub(crate) offset: i64,
    pub(crate) reason: String,
}

struct Message {
    message: NonNull<rd_kafka_message_t>,
    /// Headers are parsed when they are first asked for, inside the message.
    parsing: Mutex<()>,
}

// SAFETY: a message belongs to its batch alone and may be read and freed on any thread.
unsafe impl Send for Message {}
// SAFETY: the only call that changes a message (parsing its headers) is made under its lock.
unsafe impl Sync for Message {}

impl Batch {
    /// Takes over messages, error entries among them.
    pub(super) fn new(all: Vec<*mut rd_kafka_message_t>, client: Arc<dyn NativeClient>) -> Self {
        let messages = Vec::with_capacity(all.len());
        let mut batch = Self { messages, errors: Vec::new(), corruption: None, _client: client };
        for message in all.into_iter().filter_map(NonNull::new) {
            let message = Message { message, parsing: Mutex::new(()) };
            match message.native().err {
                NO_ERROR => batch.messages.push(message),
                BAD_MSG | BAD_COMPRESSION | NOT_IMPLEMENTED => {
                    batch.corruption.get_or_insert_with(|| (batch.messages.len(), message.corruption()));
                }
                error => batch.errors.push(error),
            }
        }
        batch
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn errors(&self) -> &[RDKafkaRespErr] {
        &self.errors
    }

    pub(crate) fn offsets(&self) -> impl Iterator<Item = i64> {
        self.messages.iter().map(|message| message.native().offset)
    }

    /// Keeps this many messages, the first ones.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.messages.truncate(len);
    }

    /// Drops what comes behind records that cannot be read, which librdkafka passes over.
    pub(crate) fn cut_at_corruption(&mut self) -> Option<Corruption> {
        let (before, corruption) = self.corruption.take()?;
        self.messages.truncate(before);
        Some(corruption)
    }

    pub(crate) fn next_offset(&self) -> Option<i64> {
        self.messages.last().map(|message| message.native().offset + 1)
    }

    /// How large the last message is: its key and value, in bytes.
    pub(crate) fn last_size(&self) -> usize {
        self.messages.last().map_or(0, |message| message.native().len + message.native().key_len)
    }

    pub(crate) fn record<'a>(&'a self, index: usize, topic: &'a str) -> Record<'a> {
        let message = &self.messages[index];
        let native = message.native();
        Record {
            topic,
            partition: native.partition,
            offset: native.offset,
            timestamp: message.timestamp(),
            key: bytes(native.key, native.key_len),
            payload: bytes(native.payload, native.len),
            headers: Some(message),
        }
    }
}

/// A null pointer is no value; an empty value has an address.
fn bytes<'a>(pointer: *mut c_void, len: usize) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: librdkafka's pointer and length describe bytes that live as long as the message; the callers bind the
    // lifetime to the batch, which owns the message.
    Some(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), len) })
}

impl Message {
    fn native(&self) -> &rd_kafka_message_t {
        // SAFETY: the message is ours until `drop`.
        unsafe { self.message.as_ref() }
    }

    /// What is said of records that came as an error.
    fn corruption(&self) -> Corruption {
        let native = self.native();
        let reason = bytes(native.payload, native.len).unwrap_or_default();
        Corruption { offset: native.offset, reason: String::from_utf8_lossy(reason).into_owned() }
    }

    fn timestamp(&self) -> Option<i64> {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid, `kind` is written.
        let milliseconds = unsafe { rd_kafka_message_timestamp(self.message.as_ptr(), &raw mut kind) };
        (kind != rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(milliseconds)
    }
}

impl HeaderList for Message {
    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
        let parsing = self.parsing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: *mut rd_kafka_headers_t = ptr::null_mut();
        // SAFETY: the message is valid, and nobody else parses it: the lock is held.
        if unsafe { rd_kafka_message_headers(self.message.as_ptr(), &raw mut list) } != NO_ERROR {
            return None;
        }
        drop(parsing);
        let (mut name, mut value, mut size) = (ptr::null::<c_char>(), ptr::null::<c_void>(), 0);
        // SAFETY: the list belongs to the message, and is not changed once it is parsed.
        let found =
            unsafe { rd_kafka_header_get_all(list, index, &raw mut name, &raw mut value, &raw mut size) };
        if found != NO_ERROR {
            return None;
        }
        // SAFETY: a name ends with a null byte, and lives as long as the message.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        Some((name, bytes(value.cast_mut(), size)))
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: it was ours, and is not used afterwards.
        unsafe { rd_kafka_message_destroy(self.message.as_ptr()) };
    }
}
