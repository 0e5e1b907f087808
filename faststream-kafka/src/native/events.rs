//! What a producer's client reports: the end of each record, errors, log lines.
//!
//! The safe interface spins through the last part of a millisecond of each wait, tells nothing of batches, and allocates
//! for each record. Here a wait sleeps until something comes, and one event is what the broker said of one batch.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::bindings::{
    RD_KAFKA_EVENT_DR, RD_KAFKA_EVENT_ERROR, RD_KAFKA_EVENT_LOG, rd_kafka_event_destroy,
    rd_kafka_event_error, rd_kafka_event_error_string, rd_kafka_event_log, rd_kafka_event_message_count,
    rd_kafka_event_message_next, rd_kafka_event_t, rd_kafka_event_type, rd_kafka_header_get_all,
    rd_kafka_headers_t, rd_kafka_message_headers, rd_kafka_message_produce_errstr, rd_kafka_message_t,
    rd_kafka_message_timestamp, rd_kafka_queue_destroy, rd_kafka_queue_get_main, rd_kafka_queue_poll,
    rd_kafka_queue_t, rd_kafka_queue_yield, rd_kafka_timestamp_type_t, rd_kafka_topic_name,
};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer as _;
use rdkafka::types::RDKafkaRespErr;

use crate::producer::{DeliveryTicket, ProducerClient};

const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The queue on which a client reports.
pub(crate) struct Events {
    queue: NonNull<rd_kafka_queue_t>,
    /// The client is not destroyed while its queue is held.
    _client: Arc<ProducerClient>,
}

// SAFETY: librdkafka's queues are internally locked and may be used from any thread.
unsafe impl Send for Events {}
// SAFETY: as above.
unsafe impl Sync for Events {}

/// One report.
pub(crate) enum Event {
    /// Records of one partition that were answered together; if the broker answered, one batch.
    Delivered(Delivered),
    /// The client as a whole has an error.
    Error(RDKafkaErrorCode, String),
    Log(RDKafkaLogLevel, String, String),
    /// Something else, or woken by [`Events::wake`].
    Other,
}

/// Records that were answered together.
pub(crate) struct Delivered(NonNull<rd_kafka_event_t>);

/// A record of them, while its event lives.
pub(crate) struct Sent<'a>(&'a rd_kafka_message_t);

impl Events {
    /// Those of a client.
    pub(crate) fn of(client: &Arc<ProducerClient>) -> Self {
        // SAFETY: the client is valid, as `client` is held, and every client has this queue.
        let queue = unsafe { rd_kafka_queue_get_main(client.client().native_ptr()) };
        let queue = NonNull::new(queue).expect("every client has a main queue");
        Self { queue, _client: Arc::clone(client) }
    }

    /// The next one; waits for it.
    pub(crate) fn next(&self, timeout: Duration) -> Option<Event> {
        let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid until `drop`.
        let event = NonNull::new(unsafe { rd_kafka_queue_poll(self.queue.as_ptr(), timeout) })?;
        // SAFETY: the event is ours.
        let kind = unsafe { rd_kafka_event_type(event.as_ptr()) };
        if kind == RD_KAFKA_EVENT_DR {
            return Some(Event::Delivered(Delivered(event)));
        }
        let read = match kind {
            RD_KAFKA_EVENT_ERROR => error(event),
            RD_KAFKA_EVENT_LOG => log(event),
            _ => Event::Other,
        };
        // SAFETY: it was ours, and what was read of it was copied.
        unsafe { rd_kafka_event_destroy(event.as_ptr()) };
        Some(read)
    }

    /// Ends the wait of whoever waits for the next one, or the next such wait.
    pub(crate) fn wake(&self) {
        // SAFETY: the queue is valid until `drop`.
        unsafe { rd_kafka_queue_yield(self.queue.as_ptr()) };
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // SAFETY: the reference was ours, and is not used afterwards.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

fn error(event: NonNull<rd_kafka_event_t>) -> Event {
    // SAFETY: the event is valid, and its text lives as long.
    let (code, reason) =
        unsafe { (rd_kafka_event_error(event.as_ptr()), text(rd_kafka_event_error_string(event.as_ptr()))) };
    Event::Error(code.into(), reason)
}

fn log(event: NonNull<rd_kafka_event_t>) -> Event {
    let (mut facility, mut line, mut level) = (ptr::null::<c_char>(), ptr::null::<c_char>(), 0);
    // SAFETY: the event is valid, and the three are written.
    let read =
        unsafe { rd_kafka_event_log(event.as_ptr(), &raw mut facility, &raw mut line, &raw mut level) };
    if read != 0 {
        return Event::Other;
    }
    // SAFETY: both texts live as long as the event.
    let (facility, line) = unsafe { (text(facility), text(line)) };
    let level = match level {
        0 => RDKafkaLogLevel::Emerg,
        1 => RDKafkaLogLevel::Alert,
        2 => RDKafkaLogLevel::Critical,
        3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 => RDKafkaLogLevel::Notice,
        6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    };
    Event::Log(level, facility, line)
}

/// A copy of a text.
///
/// # Safety
/// It is null, or ends with a null byte.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller promises it.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned()
}

impl Delivered {
    /// How many records were answered together.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the event is ours.
        unsafe { rd_kafka_event_message_count(self.0.as_ptr()) }
    }

    /// Calls this for each record, in order, with what travelled with it.
    pub(crate) fn each(self, mut ended: impl FnMut(Sent<'_>, Box<DeliveryTicket>)) {
        loop {
            // SAFETY: the event is ours, and returns each of its messages once; they live as long as it.
            let message = unsafe { rd_kafka_event_message_next(self.0.as_ptr()).as_ref() };
            let Some(message) = message else { return };
            if message._private.is_null() {
                continue;
            }
            // SAFETY: the safe interface made the pointer of a `Box<DeliveryTicket>` when the record was sent, and librdkafka gives
            // it back once.
            let ticket = unsafe { Box::from_raw(message._private.cast::<DeliveryTicket>()) };
            ended(Sent(message), ticket);
        }
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        // SAFETY: the event was ours, and is not used afterwards.
        unsafe { rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

impl Sent<'_> {
    /// Why it was refused, if it was.
    pub(crate) fn error(&self) -> Option<RDKafkaErrorCode> {
        (self.0.err != NO_ERROR).then(|| self.0.err.into())
    }

    /// What the broker says of it; empty if it says nothing more than its code.
    pub(crate) fn reason(&self) -> String {
        // SAFETY: the message is valid, and its text lives as long.
        unsafe { text(rd_kafka_message_produce_errstr(self.0)) }
    }

    pub(crate) fn topic(&self) -> Cow<'_, str> {
        // SAFETY: a message that was sent has a topic, whose name ends with a null byte and lives as long as the message.
        unsafe { CStr::from_ptr(rd_kafka_topic_name(self.0.rkt)) }.to_string_lossy()
    }

    pub(crate) fn partition(&self) -> i32 {
        self.0.partition
    }

    pub(crate) fn offset(&self) -> i64 {
        self.0.offset
    }

    pub(crate) fn key(&self) -> Option<Bytes> {
        // SAFETY: pointer and length are librdkafka's, and live as long as the message.
        unsafe { copied(self.0.key, self.0.key_len) }
    }

    pub(crate) fn payload(&self) -> Option<Bytes> {
        // SAFETY: as above.
        unsafe { copied(self.0.payload, self.0.len) }
    }

    /// Milliseconds since the epoch: what it was sent with, or when it was sent.
    pub(crate) fn timestamp(&self) -> Option<i64> {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid, `kind` is written.
        let milliseconds = unsafe { rd_kafka_message_timestamp(self.0, &raw mut kind) };
        (kind != rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(milliseconds)
    }

    pub(crate) fn headers(&self) -> Vec<(Bytes, Option<Bytes>)> {
        let mut list: *mut rd_kafka_headers_t = ptr::null_mut();
        // SAFETY: the message is valid, and this thread alone reads it.
        if unsafe { rd_kafka_message_headers(self.0, &raw mut list) } != NO_ERROR {
            return Vec::new();
        }
        let mut headers = Vec::new();
        loop {
            let (mut name, mut value, mut size) = (ptr::null::<c_char>(), ptr::null::<c_void>(), 0);
            // SAFETY: the list belongs to the message.
            let found = unsafe {
                rd_kafka_header_get_all(list, headers.len(), &raw mut name, &raw mut value, &raw mut size)
            };
            if found != NO_ERROR {
                return headers;
            }
            // SAFETY: a name ends with a null byte; pointer and length of the value are librdkafka's.
            let (name, value) = unsafe { (CStr::from_ptr(name).to_bytes(), copied(value.cast_mut(), size)) };
            headers.push((Bytes::copy_from_slice(name), value));
        }
    }
}

/// A copy of these bytes; a null pointer is no value, an empty value has an address.
///
/// # Safety
/// The pointer is null, or so many bytes can be read there.
unsafe fn copied(pointer: *mut c_void, len: usize) -> Option<Bytes> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller promises it.
    Some(Bytes::copy_from_slice(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), len) }))
}
