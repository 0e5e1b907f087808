//! The handle of a consumer's client: who may use its C interface, and when it is destroyed.
//!
//! librdkafka requires that all queues and messages of a client are gone before it is destroyed, and destroying
//! blocks until its threads have ended. So every queue and every batch holds an `Arc` of the handle, and only
//! [`destroy`] ends the client, on a thread of its own. If a handler still holds records after 10 s, the client is
//! leaked: a leak costs memory and threads, a free would be a use after free.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::bindings::rd_kafka_t;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

/// How long a client that is still used elsewhere is waited for before it is leaked. Also the limit for leaving
/// the group.
const WAIT: Duration = Duration::from_secs(10);

/// A consumer's client, shared with everything that holds queues or messages of it.
///
/// Only [`destroy`] destroys it. Dropped otherwise, it is leaked: never freed while somebody uses it, and never on
/// a thread that must not block.
pub(crate) struct ClientHandle<C: ConsumerContext> {
    /// The client. `ManuallyDrop`, because its own drop closes and joins threads.
    consumer: ManuallyDrop<BaseConsumer<C>>,
}

/// A client with any callbacks: what queues and batches hold, without the generic parameter of its context.
///
/// Holding it keeps the client alive; it offers nothing else, so no code outside this folder can reach the C
/// interface.
pub(super) trait NativeClient: Send + Sync {
    /// Returns the client of the C interface, which is valid for as long as `self` lives.
    fn pointer(&self) -> *mut rd_kafka_t;
}

impl<C: ConsumerContext> ClientHandle<C> {
    /// Takes over the client. From here on it is destroyed only by [`destroy`].
    pub(crate) fn new(consumer: BaseConsumer<C>) -> Arc<Self> {
        Arc::new(Self { consumer: ManuallyDrop::new(consumer) })
    }

    /// Returns the safe interface.
    pub(crate) fn consumer(&self) -> &BaseConsumer<C> {
        &self.consumer
    }
}

impl<C: ConsumerContext> NativeClient for ClientHandle<C> {
    fn pointer(&self) -> *mut rd_kafka_t {
        self.consumer.client().native_ptr()
    }
}

/// Leaves the group, if that was not done, and destroys the client once nobody else holds it. Returns at once: a
/// thread of its own does both, and waits for at most 10 s for each.
///
/// If the client is still held then, it is leaked, with a warning.
pub(crate) fn destroy<C: ConsumerContext + 'static>(mut client: Arc<ClientHandle<C>>, group: Arc<str>) {
    let destroy = move || {
        leave(client.consumer());
        let until = Instant::now() + WAIT;
        loop {
            match Arc::try_unwrap(client) {
                Ok(client) => return drop(ManuallyDrop::into_inner(client.consumer)),
                Err(used) if Instant::now() < until => client = used,
                Err(_) => {
                    faststream_core::log::warn!(%group, "a call still holds records of a client that is gone: the client is leaked");
                    return;
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
    };
    if let Err(error) = thread::Builder::new().name("fs-destroy".into()).spawn(destroy) {
        faststream_core::log::warn!("no thread to destroy a client on, it is leaked: {error}");
    }
}

/// Leaves the group within 10 s. A client that is leaked in the end must not stay a member, or its partitions
/// would wait for the session timeout. Skips the wait after a fatal error: `close_queue` fails then, and `closed`
/// never becomes true.
fn leave<C: ConsumerContext>(consumer: &BaseConsumer<C>) {
    let until = Instant::now() + WAIT;
    if !consumer.closed() && consumer.close_queue().is_ok() {
        while !consumer.closed() && Instant::now() < until {
            drop(consumer.poll(Duration::from_millis(100)));
        }
    }
}
