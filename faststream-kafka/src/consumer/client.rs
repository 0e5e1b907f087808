//! The client of one membership, shared with everything that still holds queues or messages of it.
//!
//! The facts that a search thread learns once, and that the control thread or a lane reads later, are kept here as
//! well, so that they end with the client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use faststream_core::broker::{AtJoin, GroupRequest};
use faststream_core::policy::Start;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::GroupContext;
use crate::native::{self, ClientHandle, TopicId};

/// The topics that existed before a member subscribed to them.
#[derive(Debug, Clone, Default)]
pub(super) struct AtJoinState {
    /// `None` if nothing needed to be known, or is known yet.
    pub(super) known: Option<AtJoin>,
    /// Topics that were added later, and were not looked at.
    pub(super) unknown: BTreeSet<String>,
}

/// The client of one membership. Only [`destroy`] destroys it; dropped otherwise, it is leaked.
///
/// The control thread, the search threads and every lane hold it. A lane's batch holds only the inner handle, so
/// that a call that still runs keeps the native client alive, and nothing else.
pub(super) struct ConsumerClient {
    /// The native client. It is destroyed once it has no other owner.
    handle: Arc<ClientHandle<GroupContext>>,
    /// The group and the topics that it reads now.
    request: RwLock<Arc<GroupRequest>>,
    /// The topics that existed before it subscribed to them; empty if that is not needed.
    at_join: RwLock<AtJoinState>,
    /// The id of each topic when this member first saw it. A partition without a commit is read from its beginning
    /// if its topic has another id by then.
    first_topics: Mutex<BTreeMap<String, TopicId>>,
    /// The broker's `offsets.retention.minutes`; empty until a broker has answered, or if it refuses to.
    offsets_kept: OnceLock<Duration>,
    /// The size limit of a batch, in bytes, because a batch is copied while a call is suspended. Empty if
    /// `queued.max.messages.kbytes` is not a number, and batches then have no such limit.
    batch_bytes: OnceLock<usize>,
}

impl ConsumerClient {
    /// Returns the client of a membership that has not subscribed to anything yet.
    pub(super) fn new(consumer: BaseConsumer<GroupContext>, request: GroupRequest) -> Arc<Self> {
        Arc::new(Self {
            handle: ClientHandle::new(consumer),
            request: RwLock::new(Arc::new(request)),
            at_join: RwLock::default(),
            first_topics: Mutex::default(),
            offsets_kept: OnceLock::new(),
            batch_bytes: OnceLock::new(),
        })
    }

    /// Returns the handle that queues, messages and calls of librdkafka need.
    pub(super) fn handle(&self) -> &Arc<ClientHandle<GroupContext>> {
        &self.handle
    }

    /// Returns rdkafka's consumer. Until the client closes, only the control thread polls, assigns and seeks; the
    /// search threads use its blocking queries.
    pub(super) fn consumer(&self) -> &BaseConsumer<GroupContext> {
        self.handle.consumer()
    }

    /// Returns the state that the callbacks write. It can be read on any thread.
    pub(super) fn context(&self) -> &GroupContext {
        self.consumer().context()
    }

    /// Returns the group and the topics that it reads now.
    pub(super) fn request(&self) -> Arc<GroupRequest> {
        Arc::clone(&self.request.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads this topic from now on, too. Returns false if it is read by its name already.
    pub(super) fn add_topic(&self, topic: &str, start: Start) -> bool {
        let mut request = self.request.write().unwrap_or_else(PoisonError::into_inner);
        let request = Arc::make_mut(&mut request);
        let is_new = !request.topics.contains_key(topic);
        if is_new {
            request.topics.insert(topic.to_owned(), start);
            // Whatever it was when the group was joined, it counts as it is now.
            let mut state = self.at_join.write().unwrap_or_else(PoisonError::into_inner);
            state.unknown.insert(topic.to_owned());
        }
        is_new
    }

    /// Reads this topic no longer. Returns false if it was not read by its name.
    pub(super) fn remove_topic(&self, topic: &str) -> bool {
        let mut request = self.request.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut request).topics.remove(topic).is_some()
    }

    /// Returns what is known of the topics at the join.
    pub(super) fn at_join(&self) -> AtJoinState {
        self.at_join.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the topics at the join, and no topic is unknown any more.
    pub(super) fn set_at_join(&self, known: AtJoin) {
        let mut state = self.at_join.write().unwrap_or_else(PoisonError::into_inner);
        *state = AtJoinState { known: Some(known), unknown: BTreeSet::new() };
    }

    /// Returns whether this topic was recreated since this member first checked. The first call for a topic
    /// records its id, and returns false.
    pub(super) fn is_made_again(&self, topic: &str, id: &TopicId) -> bool {
        let mut first = self.first_topics.lock().unwrap_or_else(PoisonError::into_inner);
        first.entry(topic.to_owned()).or_insert_with(|| id.clone()) != id
    }

    /// Returns the size limit of a batch, in bytes: a quarter of what may be queued.
    pub(super) fn batch_bytes(&self) -> usize {
        self.batch_bytes.get().copied().unwrap_or(usize::MAX)
    }

    /// Sets the size limit of batches from `queued.max.messages.kbytes`. Call it before the first lane is opened.
    pub(super) fn limit_batches(&self, queued_kbytes: usize) {
        let _ = self.batch_bytes.set(queued_kbytes.saturating_mul(1024 / 4));
    }

    /// Returns how long the broker keeps offsets that are not committed again; `None` while that is unknown.
    pub(super) fn offsets_kept(&self) -> Option<Duration> {
        self.offsets_kept.get().copied()
    }

    /// Sets how long the broker keeps offsets. The first value stays.
    pub(super) fn set_offsets_kept(&self, kept: Duration) {
        let _ = self.offsets_kept.set(kept);
    }
}

/// Leaves the group, if that was not done, and destroys the client once nothing else holds it. Returns at once: a
/// separate thread waits, 10 s for the group and 10 s for calls that hold records, and then leaks the client.
pub(super) fn destroy(client: Arc<ConsumerClient>) {
    let (handle, group) = (Arc::clone(&client.handle), Arc::clone(&client.context().group));
    drop(client);
    native::destroy(handle, group);
}
