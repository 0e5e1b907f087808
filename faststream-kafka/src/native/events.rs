//! What a producer's client reports: the result of each record, errors, log lines. Read by the producer's thread.
//!
//! The safe interface busy-waits through the last part of a millisecond of each wait, does not show which records
//! were one batch, and allocates for each record. Here a wait sleeps until something arrives, and one event is the
//! broker's answer for one batch. That matters for a refused batch: only its members are sent again alone.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
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
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::IntoOpaque as _;

/// Success, among librdkafka's codes.
const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The queue on which a client reports. Only one thread reads it; any thread may [`wake`](Self::wake) that.
pub(crate) struct Events<C: ProducerContext + 'static> {
    /// A reference that this value owns; destroyed in `drop`.
    queue: NonNull<rd_kafka_queue_t>,
    /// Keeps the client: it is not destroyed while its queue is held.
    _client: Arc<BaseProducer<C>>,
}

// SAFETY: librdkafka's queues are internally locked and may be used from any thread.
unsafe impl<C: ProducerContext> Send for Events<C> {}
// SAFETY: as above.
unsafe impl<C: ProducerContext> Sync for Events<C> {}

/// One report.
pub(crate) enum Event<C> {
    /// Records of one partition that were answered together: one batch, if the broker answered. If the client gave
    /// up on them by itself, they need not have been in one batch.
    Delivered(Delivered<C>),
    /// An error of the client as a whole: its code and the reason.
    Error(RDKafkaErrorCode, String),
    /// A log line of the client: level, facility (`FAIL`, `REQTMOUT`), text.
    Log(RDKafkaLogLevel, String, String),
    /// An event that needs nothing, or none at all after [`Events::wake`].
    Other,
}

/// Records that were answered together. Owns the event; dropping it frees the records, and the tickets that were
/// not taken out are leaked.
pub(crate) struct Delivered<C> {
    event: NonNull<rd_kafka_event_t>,
    /// The context of the client that reported it, which names the type of the tickets.
    client: PhantomData<fn() -> C>,
}

/// A record of such an event, borrowed while the event lives.
pub(crate) struct Sent<'a>(&'a rd_kafka_message_t);

impl<C: ProducerContext> Events<C> {
    /// Returns the reports of a client.
    pub(crate) fn of(client: &Arc<BaseProducer<C>>) -> Self {
        // SAFETY: the client is valid, as `client` is held, and every client has this queue.
        let queue = unsafe { rd_kafka_queue_get_main(client.client().native_ptr()) };
        let queue = NonNull::new(queue).expect("every client has a main queue");
        Self { queue, _client: Arc::clone(client) }
    }

    /// Returns the next report, and waits for it at most `timeout`, without using the CPU. `None` if nothing
    /// arrived.
    pub(crate) fn next(&self, timeout: Duration) -> Option<Event<C>> {
        let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid until `drop`.
        let event = NonNull::new(unsafe { rd_kafka_queue_poll(self.queue.as_ptr(), timeout) })?;
        // SAFETY: the event is ours.
        let kind = unsafe { rd_kafka_event_type(event.as_ptr()) };
        if kind == RD_KAFKA_EVENT_DR {
            return Some(Event::Delivered(Delivered { event, client: PhantomData }));
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

    /// Ends the wait of the reading thread, or its next wait if it does not wait now.
    pub(crate) fn wake(&self) {
        // SAFETY: the queue is valid until `drop`.
        unsafe { rd_kafka_queue_yield(self.queue.as_ptr()) };
    }
}

impl<C: ProducerContext> Drop for Events<C> {
    fn drop(&mut self) {
        // SAFETY: the reference was ours, and is not used afterwards.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// Reads an error event.
fn error<C>(event: NonNull<rd_kafka_event_t>) -> Event<C> {
    // SAFETY: the event is valid, and its text lives as long.
    let (code, reason) =
        unsafe { (rd_kafka_event_error(event.as_ptr()), text(rd_kafka_event_error_string(event.as_ptr()))) };
    Event::Error(code.into(), reason)
}

/// Reads a log event. The levels are those of syslog.
fn log<C>(event: NonNull<rd_kafka_event_t>) -> Event<C> {
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

impl<C: ProducerContext> Delivered<C> {
    /// Returns how many records were answered together.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the event is ours.
        unsafe { rd_kafka_event_message_count(self.event.as_ptr()) }
    }

    /// Calls `ended` for each record in the order in which they were sent, with the ticket that travelled with it.
    ///
    /// `ended` must not panic: the tickets of the later records would be leaked, and their receipts would never
    /// resolve.
    pub(crate) fn each(self, mut ended: impl FnMut(Sent<'_>, C::DeliveryOpaque)) {
        loop {
            // SAFETY: the event is ours, and returns each of its messages once; they live as long as it.
            let message = unsafe { rd_kafka_event_message_next(self.event.as_ptr()).as_ref() };
            let Some(message) = message else { return };
            if message._private.is_null() {
                continue;
            }
            // SAFETY: the safe interface made the pointer of a `C::DeliveryOpaque` when the record was sent by this
            // client, whose context is `C`, and librdkafka gives it back once.
            let ticket = unsafe { C::DeliveryOpaque::from_ptr(message._private) };
            ended(Sent(message), ticket);
        }
    }
}

impl<C> Drop for Delivered<C> {
    fn drop(&mut self) {
        // SAFETY: the event was ours, and is not used afterwards.
        unsafe { rd_kafka_event_destroy(self.event.as_ptr()) };
    }
}

impl Sent<'_> {
    /// Returns the code with which the record was refused; `None` if it was published.
    pub(crate) fn error(&self) -> Option<RDKafkaErrorCode> {
        (self.0.err != NO_ERROR).then(|| self.0.err.into())
    }

    /// Returns the broker's text for this record (KIP-467); empty if it sent only a code.
    pub(crate) fn reason(&self) -> String {
        // SAFETY: the message is valid, and its text lives as long.
        unsafe { text(rd_kafka_message_produce_errstr(self.0)) }
    }

    /// Returns the topic's name. It is copied only if it is not UTF-8.
    pub(crate) fn topic(&self) -> Cow<'_, str> {
        // SAFETY: a message that was sent has a topic, whose name ends with a null byte and lives as long as the message.
        unsafe { CStr::from_ptr(rd_kafka_topic_name(self.0.rkt)) }.to_string_lossy()
    }

    /// Returns the partition that the record was sent to.
    pub(crate) fn partition(&self) -> i32 {
        self.0.partition
    }

    /// Returns the record's offset; negative if it is unknown, as with `acks=0` or after an error.
    pub(crate) fn offset(&self) -> i64 {
        self.0.offset
    }

    /// Returns a copy of the key; `None` for a record without one.
    pub(crate) fn key(&self) -> Option<Bytes> {
        // SAFETY: pointer and length are librdkafka's, and live as long as the message.
        unsafe { copied(self.0.key, self.0.key_len) }
    }

    /// Returns a copy of the value; `None` for a tombstone.
    pub(crate) fn payload(&self) -> Option<Bytes> {
        // SAFETY: as above.
        unsafe { copied(self.0.payload, self.0.len) }
    }

    /// Returns the timestamp in milliseconds since the epoch: the one that the record was sent with, or the time
    /// of sending.
    pub(crate) fn timestamp(&self) -> Option<i64> {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid, `kind` is written.
        let milliseconds = unsafe { rd_kafka_message_timestamp(self.0, &raw mut kind) };
        (kind != rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(milliseconds)
    }

    /// Returns a copy of the headers, in order. Their names are bytes.
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

/// Returns a copy of these bytes; `None` for a null pointer. An empty value has an address.
///
/// # Safety
/// The pointer is null, or `len` bytes can be read there.
unsafe fn copied(pointer: *mut c_void, len: usize) -> Option<Bytes> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller promises it.
    Some(Bytes::copy_from_slice(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), len) }))
}
