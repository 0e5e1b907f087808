//! A partition's own queue, taken out of the consumer's: read by one lane, woken by a callback.

use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Waker;

use futures_util::task::AtomicWaker;
use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_message_t, rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy,
    rd_kafka_queue_forward, rd_kafka_queue_get_partition, rd_kafka_queue_t, rd_kafka_t,
};

use super::Batch;
use crate::consumer::Client;

/// The queue of one partition. Dropping it ends its callback: never after a new queue of the same partition was made.
pub(crate) struct PartitionQueue {
    queue: NonNull<rd_kafka_queue_t>,
    /// What the callback wakes. Boxed by `Arc`: its address is the callback's argument.
    waker: Arc<AtomicWaker>,
    /// The client is not destroyed while it has queues.
    client: Arc<Client>,
}

// SAFETY: librdkafka's queues are internally locked and may be used from any thread.
unsafe impl Send for PartitionQueue {}
// SAFETY: as above.
unsafe impl Sync for PartitionQueue {}

impl PartitionQueue {
    /// Takes the partition's queue out of the consumer's. To be done before the partition is assigned, or its first
    /// messages land on the consumer's queue. `None` for a topic name with a null byte.
    pub(crate) fn take(client: &Arc<Client>, topic: &str, partition: i32) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client lives, as `client` is held; the name is a C string that is copied.
        let queue = unsafe { rd_kafka_queue_get_partition(client.native(), topic.as_ptr(), partition) };
        let queue = NonNull::new(queue)?;
        let waker = Arc::new(AtomicWaker::new());
        // SAFETY: the queue is valid until it is destroyed in `drop`. The callback's argument points into `waker`, which
        // outlives the callback: `drop` turns it off first, under the queue's lock, which the callback holds as well.
        unsafe {
            rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            let argument = Arc::as_ptr(&waker).cast_mut().cast::<c_void>();
            rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(wake), argument);
        }
        Some(Self { queue, waker, client: Arc::clone(client) })
    }

    /// To be called before looking: a record that arrives between the two wakes.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Wakes whoever reads.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// What is there, `max` messages at most. Never waits.
    pub(crate) fn consume(&self, max: usize) -> Batch {
        let mut messages: Vec<*mut rd_kafka_message_t> = Vec::with_capacity(max);
        // SAFETY: the buffer has room for `max` pointers, and librdkafka says how many it wrote; each of them is a message
        // that is ours from here on.
        let taken =
            unsafe { rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, messages.as_mut_ptr(), max) };
        let taken = usize::try_from(taken).unwrap_or(0).min(max);
        // SAFETY: that many were written.
        unsafe { messages.set_len(taken) };
        Batch::new(messages, Arc::clone(&self.client))
    }
}

impl Drop for PartitionQueue {
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
