//! The client of one membership, shared with everything that still holds queues or messages of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use faststream_core::broker::{AtJoin, GroupRequest};
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::GroupContext;
use crate::native::{self, ClientHandle, TopicId};

/// The client of one membership. Only [`destroy`] destroys it; dropped otherwise, it is leaked.
pub(super) struct ConsumerClient {
    handle: Arc<ClientHandle<GroupContext>>,
    /// The group and the topics that it reads.
    request: GroupRequest,
    /// The topics that existed before it joined; empty if that is not needed.
    at_join: OnceLock<AtJoin>,
    /// The topics that existed when it first checked.
    first_topics: Mutex<BTreeMap<String, TopicId>>,
    /// How long the broker keeps offsets, if known.
    offsets_kept: OnceLock<Duration>,
    /// The size limit of a batch, in bytes, because a batch is copied while a call is suspended.
    batch_bytes: OnceLock<usize>,
}

impl ConsumerClient {
    pub(super) fn new(consumer: BaseConsumer<GroupContext>, request: GroupRequest) -> Arc<Self> {
        Arc::new(Self {
            handle: ClientHandle::new(consumer),
            request,
            at_join: OnceLock::new(),
            first_topics: Mutex::default(),
            offsets_kept: OnceLock::new(),
            batch_bytes: OnceLock::new(),
        })
    }

    /// Returns the handle that queues, messages and calls of librdkafka need.
    pub(super) fn handle(&self) -> &Arc<ClientHandle<GroupContext>> {
        &self.handle
    }

    pub(super) fn consumer(&self) -> &BaseConsumer<GroupContext> {
        self.handle.consumer()
    }

    pub(super) fn context(&self) -> &GroupContext {
        self.consumer().context()
    }

    pub(super) fn request(&self) -> &GroupRequest {
        &self.request
    }

    pub(super) fn at_join(&self) -> Option<&AtJoin> {
        self.at_join.get()
    }

    /// Sets the topics at the join. The first value stays.
    pub(super) fn set_at_join(&self, at_join: AtJoin) {
        let _ = self.at_join.set(at_join);
    }

    /// Returns whether this topic was recreated since this member first checked.
    pub(super) fn is_made_again(&self, topic: &str, id: &TopicId) -> bool {
        let mut first = self.first_topics.lock().unwrap_or_else(PoisonError::into_inner);
        first.entry(topic.to_owned()).or_insert_with(|| id.clone()) != id
    }

    /// Returns the size limit of a batch: a quarter of what may be queued.
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
}

/// Leaves the group, if that was not done, and destroys the client once nothing else holds it. Returns at once.
pub(super) fn destroy(client: Arc<ConsumerClient>) {
    let (handle, group) = (Arc::clone(&client.handle), Arc::clone(&client.context().group));
    drop(client);
    native::destroy(handle, group);
}
