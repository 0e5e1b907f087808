//! The client of one membership, shared with whatever still holds queues or messages of it.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::{AtJoin, GroupRequest};
use rdkafka::bindings::rd_kafka_t;
use rdkafka::client::Client as RdClient;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::GroupContext;
use crate::native::TopicId;

/// A client that is still used elsewhere is waited for this long, then leaked.
const WAIT: Duration = Duration::from_secs(10);

/// The client of one membership. Only [`destroy`] destroys it: dropped otherwise, it is leaked, never freed while
/// somebody uses it, and never on a thread that must not block.
pub(crate) struct ConsumerClient {
    consumer: ManuallyDrop<BaseConsumer<GroupContext>>,
    /// The group and what it reads.
    request: GroupRequest,
    /// What there was before it joined; empty if nobody has to know.
    at_join: OnceLock<AtJoin>,
    /// Which topics there were when it first looked.
    first_topics: Mutex<BTreeMap<String, TopicId>>,
    /// For how long the broker keeps offsets, if it says so.
    offsets_kept: OnceLock<Duration>,
    /// What a batch may hold, in bytes: it is copied while a call is suspended.
    batch_bytes: OnceLock<usize>,
}

impl ConsumerClient {
    pub(super) fn new(consumer: BaseConsumer<GroupContext>, request: GroupRequest) -> Arc<Self> {
        Arc::new(Self {
            consumer: ManuallyDrop::new(consumer),
            request,
            at_join: OnceLock::new(),
            first_topics: Mutex::default(),
            offsets_kept: OnceLock::new(),
            batch_bytes: OnceLock::new(),
        })
    }

    pub(super) fn consumer(&self) -> &BaseConsumer<GroupContext> {
        &self.consumer
    }

    pub(super) fn context(&self) -> &GroupContext {
        self.consumer.context()
    }

    pub(super) fn request(&self) -> &GroupRequest {
        &self.request
    }

    pub(super) fn at_join(&self) -> Option<&AtJoin> {
        self.at_join.get()
    }

    /// The first one stays.
    pub(super) fn set_at_join(&self, at_join: AtJoin) {
        let _ = self.at_join.set(at_join);
    }

    /// Whether this topic was made again since this member first looked.
    pub(super) fn is_made_again(&self, topic: &str, id: &TopicId) -> bool {
        let mut first = self.first_topics.lock().unwrap_or_else(PoisonError::into_inner);
        first.entry(topic.to_owned()).or_insert_with(|| id.clone()) != id
    }

    /// What a batch may hold: a quarter of what may be queued.
    pub(super) fn batch_bytes(&self) -> usize {
        self.batch_bytes.get().copied().unwrap_or(usize::MAX)
    }

    pub(super) fn limit_batches(&self, queued_kbytes: usize) {
        let _ = self.batch_bytes.set(queued_kbytes.saturating_mul(1024 / 4));
    }

    pub(super) fn offsets_kept(&self) -> Option<Duration> {
        self.offsets_kept.get().copied()
    }

    pub(super) fn set_offsets_kept(&self, kept: Duration) {
        let _ = self.offsets_kept.set(kept);
    }

    pub(crate) fn native(&self) -> *mut rd_kafka_t {
        let client: &RdClient<GroupContext> = self.consumer.client();
        client.native_ptr()
    }
}

/// Leaves the group, if that was not done, and destroys the client once nobody else holds it: on a thread of its own.
/// Returns at once.
pub(super) fn destroy(mut client: Arc<ConsumerClient>) {
    let destroy = move || {
        leave(client.consumer());
        let until = Instant::now() + WAIT;
        loop {
            match Arc::try_unwrap(client) {
                Ok(client) => return drop(ManuallyDrop::into_inner(client.consumer)),
                Err(used) if Instant::now() < until => client = used,
                Err(used) => {
                    let group = &used.context().group;
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
fn leave(consumer: &BaseConsumer<GroupContext>) {
    let until = Instant::now() + WAIT;
    if !consumer.closed() && consumer.close_queue().is_ok() {
        while !consumer.closed() && Instant::now() < until {
            drop(consumer.poll(Duration::from_millis(100)));
        }
    }
}
