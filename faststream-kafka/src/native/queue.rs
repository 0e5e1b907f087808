//! Queues of a consumer, each with a callback that wakes whoever reads it: a partition's own, taken out of the consumer's
//! and read by one lane, and what is left of the consumer's, for its control thread.

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

/// The queue of one partition. Dropping it ends its callback: never after a new queue of the same partition was made.
pub(crate) struct PartitionQueue {
    woken: Woken,
    /// The client is not destroyed while it has queues.
    client: Arc<dyn NativeClient>,
}

/// The consumer's own queue: rebalances, errors, statistics, log lines. The client reads it, this only says when.
pub(crate) struct ConsumerQueue {
    woken: Woken,
    _client: Arc<dyn NativeClient>,
}

/// A queue that wakes somebody. Dropping it ends the callback.
struct Woken {
    queue: NonNull<rd_kafka_queue_t>,
    /// What the callback wakes. Boxed by `Arc`: its address is the callback's argument.
    waker: Arc<AtomicWaker>,
}

// SAFETY: librdkafka's queues are internally locked and may be used from any thread.
unsafe impl Send for Woken {}
// SAFETY: as above.
unsafe impl Sync for Woken {}

impl Woken {
    /// # Safety
    /// The queue is valid, and this reference to it is given away; its client lives longer than what is returned.
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
    pub(crate) fn of<C: ConsumerContext + 'static>(client: &Arc<ClientHandle<C>>) -> Option<Self> {
        // SAFETY: the client lives, as `client` is held.
        let queue = NonNull::new(unsafe { rd_kafka_queue_get_consumer(client.pointer()) })?;
        // SAFETY: the reference is ours, and `_client` is dropped behind it.
        let woken = unsafe { Woken::new(queue) };
        Some(Self { woken, _client: Arc::<ClientHandle<C>>::clone(client) })
    }

    /// To be called before looking: an event that arrives between the two wakes.
    pub(crate) fn register(&self, waker: &Waker) {
        self.woken.waker.register(waker);
    }

    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: the queue is valid.
        unsafe { rd_kafka_queue_length(self.woken.queue.as_ptr()) == 0 }
    }
}

impl PartitionQueue {
    /// Takes the partition's queue out of the consumer's. To be done before the partition is assigned, or its first
    /// messages land on the consumer's queue. `None` for a topic name with a null byte.
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

    /// To be called before looking: a record that arrives between the two wakes.
    pub(crate) fn register(&self, waker: &Waker) {
        self.woken.waker.register(waker);
    }

    /// Wakes whoever reads.
    pub(crate) fn wake(&self) {
        self.woken.waker.wake();
    }

    /// How many messages are there.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the queue is valid.
        unsafe { rd_kafka_queue_length(self.woken.queue.as_ptr()) }
    }

    /// What is there, `max` messages at most. Never waits.
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

/// Called by librdkafka's threads whenever the queue becomes non-empty. A waker neither blocks nor panics.
unsafe extern "C" fn wake(_: *mut rd_kafka_t, argument: *mut c_void) {
    // SAFETY: the argument is the `AtomicWaker` of a queue whose callback is on, so it lives.
    unsafe { &*argument.cast::<AtomicWaker>() }.wake();
}
