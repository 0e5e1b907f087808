//! The handle of a consumer's client: when it is destroyed, and what may use its C interface until then.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::bindings::rd_kafka_t;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

/// A client that is still used elsewhere is waited for this long, then leaked.
const WAIT: Duration = Duration::from_secs(10);

/// A consumer's client, shared with whatever still holds queues or messages of it. Only [`destroy`] destroys it: dropped
/// otherwise, it is leaked, never freed while somebody uses it, and never on a thread that must not block.
pub(crate) struct ClientHandle<C: ConsumerContext> {
    consumer: ManuallyDrop<BaseConsumer<C>>,
}

/// A client whatever its callbacks write to: what queues and messages hold.
pub(super) trait NativeClient: Send + Sync {
    /// Valid as long as this lives.
    fn pointer(&self) -> *mut rd_kafka_t;
}

impl<C: ConsumerContext> ClientHandle<C> {
    pub(crate) fn new(consumer: BaseConsumer<C>) -> Arc<Self> {
        Arc::new(Self { consumer: ManuallyDrop::new(consumer) })
    }

    pub(crate) fn consumer(&self) -> &BaseConsumer<C> {
        &self.consumer
    }
}

impl<C: ConsumerContext> NativeClient for ClientHandle<C> {
    fn pointer(&self) -> *mut rd_kafka_t {
        self.consumer.client().native_ptr()
    }
}

/// Leaves the group, if that was not done, and destroys the client once nobody else holds it: on a thread of its own.
/// Returns at once.
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

/// Also a client that is leaked in the end must not go on as a member.
fn leave<C: ConsumerContext>(consumer: &BaseConsumer<C>) {
    let until = Instant::now() + WAIT;
    if !consumer.closed() && consumer.close_queue().is_ok() {
        while !consumer.closed() && Instant::now() < until {
            drop(consumer.poll(Duration::from_millis(100)));
        }
    }
}
