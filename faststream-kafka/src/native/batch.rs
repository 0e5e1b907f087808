//! Messages as librdkafka parsed them. Nothing is copied; dropping the batch frees them.
//!
//! A message keeps the whole fetch response alive in which it arrived (up to 1 MB for a record of 1 KB), so a
//! record that outlives its batch is copied by the caller.

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

/// Success, among librdkafka's codes.
const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Messages of one partition, in the order of their offsets. Belongs to a lane, which lends records from it to its
/// handler.
///
/// It holds the client, because librdkafka requires that messages are gone before the client is.
pub(crate) struct Batch {
    /// The records. Their offsets increase, with gaps for compacted records and markers of transactions.
    messages: Vec<Message>,
    /// The codes of entries that were errors instead of messages, other than corruption. They have no place among
    /// the messages.
    errors: Vec<RDKafkaRespErr>,
    /// The first records that cannot be read, and how many messages of this batch came before them.
    corruption: Option<(usize, Corruption)>,
    /// Keeps the client until the messages are freed. Declared last: fields are dropped in this order.
    _client: Arc<dyn NativeClient>,
}

/// Records that cannot be read: their checksum is wrong (`check.crcs`), they cannot be decompressed, or their
/// format is unknown to this library. Only with the first of them in a batch is anything known.
#[derive(Debug, Clone)]
pub(crate) struct Corruption {
    /// The offset of the first of them.
    pub(crate) offset: i64,
    /// librdkafka's reason, for the log.
    pub(crate) reason: String,
}

/// One message, freed on drop.
struct Message {
    /// The message, which belongs to this value alone.
    message: NonNull<rd_kafka_message_t>,
    /// Held while headers are parsed: librdkafka does that when they are first asked for, and writes to the
    /// message.
    parsing: Mutex<()>,
}

// SAFETY: a message belongs to its batch alone and may be read and freed on any thread.
unsafe impl Send for Message {}
// SAFETY: the only call that changes a message (parsing its headers) is made under its lock.
unsafe impl Sync for Message {}

impl Batch {
    /// Takes over messages, with error entries among them. Null pointers are skipped.
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

    /// Returns the number of messages, without error entries.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns the codes of the error entries.
    pub(crate) fn errors(&self) -> &[RDKafkaRespErr] {
        &self.errors
    }

    /// Yields the offset of each message: record offsets, not next offsets.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = i64> {
        self.messages.iter().map(|message| message.native().offset)
    }

    /// Keeps the first `len` messages, and frees the others.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.messages.truncate(len);
    }

    /// Frees the messages after records that cannot be read, and returns what is known of those. librdkafka skips
    /// such records and continues after them, which would lose them.
    pub(crate) fn cut_at_corruption(&mut self) -> Option<Corruption> {
        let (before, corruption) = self.corruption.take()?;
        self.messages.truncate(before);
        Some(corruption)
    }

    /// Returns the offset after the last message; `None` for an empty batch.
    pub(crate) fn next_offset(&self) -> Option<i64> {
        self.messages.last().map(|message| message.native().offset + 1)
    }

    /// Returns the size of the last message, key and value, in bytes; 0 for an empty batch. The memory limit takes
    /// it for the size of the following records.
    pub(crate) fn last_size(&self) -> usize {
        self.messages.last().map_or(0, |message| message.native().len + message.native().key_len)
    }

    /// Returns the record at `index`, borrowed from this batch. `topic` is the lane's own copy of the name, which
    /// saves a lookup for each record.
    ///
    /// # Panics
    /// If `index` is not less than [`len`](Self::len).
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

/// Returns a key, a value or a header. A null pointer is no value; an empty value has an address.
fn bytes<'a>(pointer: *mut c_void, len: usize) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: librdkafka's pointer and length describe bytes that live as long as the message; the callers bind the
    // lifetime to the batch, which owns the message.
    Some(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), len) })
}

impl Message {
    /// Returns the message of the C interface.
    fn native(&self) -> &rd_kafka_message_t {
        // SAFETY: the message is ours until `drop`.
        unsafe { self.message.as_ref() }
    }

    /// Returns what is known of records that came as an error entry: its payload is the reason.
    fn corruption(&self) -> Corruption {
        let native = self.native();
        let reason = bytes(native.payload, native.len).unwrap_or_default();
        Corruption { offset: native.offset, reason: String::from_utf8_lossy(reason).into_owned() }
    }

    /// Returns the timestamp in milliseconds since the epoch; `None` for records of formats before Kafka 0.10.
    fn timestamp(&self) -> Option<i64> {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid, `kind` is written.
        let milliseconds = unsafe { rd_kafka_message_timestamp(self.message.as_ptr(), &raw mut kind) };
        (kind != rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(milliseconds)
    }
}

impl HeaderList for Message {
    /// Returns the header at `index`, borrowed from the message; `None` after the last one.
    ///
    /// The first call for a message parses all of its headers, under the lock; a record whose handler reads none
    /// never pays for that. Each call takes the lock for a moment, because librdkafka may still have to parse.
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
