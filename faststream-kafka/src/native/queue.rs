//! Queues of a consumer, each with a callback that wakes its reader: each partition's own queue, read by one lane,
//! and the rest of the consumer's queue, for its control thread.
//!
//! How a record wakes its lane:
//!
//! 1. Before a partition is assigned, its queue is taken out of the consumer's queue (forwarded to nothing), so
//!    its messages never pass the control thread.
//! 2. librdkafka's thread adds messages, and calls `wake` if the queue was empty. The callback only wakes an
//!    `AtomicWaker`: it runs under the queue's lock and must not call librdkafka.
//! 3. The lane registers its waker first and reads then, until the queue is empty. A record that arrives between
//!    the two wakes it, so no wakeup is lost.
//!
//! The callback is edge-triggered and there is one for each queue: an old [`PartitionQueue`] that is dropped after
//! a new one of the same partition was created would turn off the callback of the new one. Unread messages stop
//! the fetch of their partition at `queued.max.messages.kbytes`, which is the backpressure.

use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Waker;

use futures_util::task::AtomicWaker;
use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_message_t, rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy,
    rd_kafka_queue_forward, rd_kafka_queue_get_consumer, rd_kafka_queue_get_partition, rd_kafka_queue_length,
    rd_kafka_queue_t, rd_kafka_t,
};
use rdkafka::consumer::ConsumerContext;

use super::Batch;
use super::handle::{ClientHandle, NativeClient};

/// The queue of one assigned partition. Held and read by its lane.
///
/// Dropping it turns off its callback, so it has to be dropped before a new queue of the same partition is taken.
pub(crate) struct PartitionQueue {
    /// The queue and what it wakes. Declared first: it is dropped before the client.
    woken: Woken,
    /// Keeps the client: it is not destroyed while it has queues. Each batch gets a clone.
    client: Arc<dyn NativeClient>,
}

/// The consumer's own queue, with rebalances, errors, statistics and log lines. The safe client reads it; this
/// type only reports when there is something to read.
pub(crate) struct ConsumerQueue {
    /// The queue and what it wakes.
    woken: Woken,
    /// Keeps the client: it is not destroyed while it has queues.
    _client: Arc<dyn NativeClient>,
}

/// A reference to a queue, with the callback that wakes its reader. Dropping it turns the callback off and gives
/// the reference back.
struct Woken {
    /// A reference that this value owns; destroyed in `drop`.
    queue: NonNull<rd_kafka_queue_t>,
    /// What the callback wakes. Its address is the callback's argument, so it lives in an `Arc` and never moves.
    waker: Arc<AtomicWaker>,
}

// SAFETY: librdkafka's queues are internally locked and may be used from any thread.
unsafe impl Send for Woken {}
// SAFETY: as above.
unsafe impl Sync for Woken {}

impl Woken {
    /// Turns on the callback of a queue.
    ///
    /// # Safety
    /// The queue is valid, and its reference is handed over; its client lives longer than the returned value.
    unsafe fn new(queue: NonNull<rd_kafka_queue_t>) -> Self {
        let waker = Arc::new(AtomicWaker::new());
        let argument = Arc::as_ptr(&waker).cast_mut().cast::<c_void>();
        // SAFETY: the queue is valid until it is destroyed in `drop`. The callback's argument points into `waker`, which
        // outlives the callback: `drop` turns it off first, under the queue's lock, which the callback holds as well.
        unsafe { rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(wake), argument) };
        Self { queue, waker }
    }
}

impl ConsumerQueue {
    /// Returns the consumer's own queue; `None` if the client has none.
    pub(crate) fn of<C: ConsumerContext + 'static>(client: &Arc<ClientHandle<C>>) -> Option<Self> {
        // SAFETY: the client lives, as `client` is held.
        let queue = NonNull::new(unsafe { rd_kafka_queue_get_consumer(client.pointer()) })?;
        // SAFETY: the reference is ours, and `_client` is dropped behind it.
        let woken = unsafe { Woken::new(queue) };
        Some(Self { woken, _client: Arc::<ClientHandle<C>>::clone(client) })
    }

    /// Sets the waker of the next event. Call it before looking at the queue: an event that arrives between the
    /// two wakes.
    pub(crate) fn register(&self, waker: &Waker) {
        self.woken.waker.register(waker);
    }

    /// Returns whether there is nothing to read. Takes the queue's lock, and waits for nothing.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: the queue is valid.
        unsafe { rd_kafka_queue_length(self.woken.queue.as_ptr()) == 0 }
    }
}

impl PartitionQueue {
    /// Takes the partition's queue out of the consumer's queue. `None` for a topic name with a zero byte.
    ///
    /// Call it before the partition is assigned, or its first messages are added to the consumer's queue, where
    /// nobody expects them.
    pub(crate) fn take<C: ConsumerContext + 'static>(
        client: &Arc<ClientHandle<C>>,
        topic: &str,
        partition: i32,
    ) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client lives, as `client` is held; the name is a C string that is copied.
        let queue = unsafe { rd_kafka_queue_get_partition(client.pointer(), topic.as_ptr(), partition) };
        let queue = NonNull::new(queue)?;
        // SAFETY: the queue is valid.
        unsafe { rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut()) };
        // SAFETY: the reference is ours, and `client` is dropped behind it.
        let woken = unsafe { Woken::new(queue) };
        Some(Self { woken, client: Arc::<ClientHandle<C>>::clone(client) })
    }

    /// Sets the waker of the next record. Call it before reading: a record that arrives between the two wakes.
    pub(crate) fn register(&self, waker: &Waker) {
        self.woken.waker.register(waker);
    }

    /// Wakes the reader without a record: to stop it, or to check a state that has changed.
    pub(crate) fn wake(&self) {
        self.woken.waker.wake();
    }

    /// Returns how many messages are fetched and not read. Takes the queue's lock.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the queue is valid.
        unsafe { rd_kafka_queue_length(self.woken.queue.as_ptr()) }
    }

    /// Returns the messages that are there, at most `max`. Never waits, and copies no record.
    ///
    /// The cost is one vector of pointers, and 40 to 75 ns for each message in batches of 100 or more.
    pub(crate) fn consume(&self, max: usize) -> Batch {
        let mut messages: Vec<*mut rd_kafka_message_t> = Vec::with_capacity(max);
        // SAFETY: the buffer has room for `max` pointers, and librdkafka says how many it wrote; each of them is a message
        // that is ours from here on.
        let taken =
            unsafe { rd_kafka_consume_batch_queue(self.woken.queue.as_ptr(), 0, messages.as_mut_ptr(), max) };
        let taken = usize::try_from(taken).unwrap_or(0).min(max);
        // SAFETY: that many were written.
        unsafe { messages.set_len(taken) };
        Batch::new(messages, Arc::clone(&self.client))
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        // SAFETY: the queue is valid, and is not used afterwards; the callback is off before its argument can go.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// Called by librdkafka's threads whenever the queue becomes non-empty, under the queue's lock. An `AtomicWaker`
/// neither blocks nor panics.
unsafe extern "C" fn wake(_: *mut rd_kafka_t, argument: *mut c_void) {
    // SAFETY: the argument is the `AtomicWaker` of a queue whose callback is on, so it lives.
    unsafe { &*argument.cast::<AtomicWaker>() }.wake();
}
