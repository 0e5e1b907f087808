//! The environment of a lane, which does not change while the lane lives.

use std::sync::Arc;

use crate::broker::Lane;
use crate::context::{Context, HandlerInfo, LaneControl};
use crate::policy::GroupSettings;
use crate::runtime::status::Shared;
use crate::subscriber::{RetryTopic, Subscriber};

/// Where a lane reads, for which handler, and where it reports.
pub(in crate::runtime) struct Scope {
    /// The topic that it reads: a source topic, or a retry topic.
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// The retry topic that this is a partition of; `None` for a source topic.
    pub(super) retry_topic: Option<RetryTopic>,
    pub(super) subscriber: Arc<Subscriber>,
    /// What deliveries lend of the subscriber.
    pub(super) handler: Arc<HandlerInfo>,
    /// The context that the app shares with its handlers.
    pub(super) context: Arc<Context>,
    pub(super) settings: Arc<GroupSettings>,
    /// The control of the lane, for other threads.
    pub(super) control: Arc<LaneControl>,
    /// The state that lanes report to the member.
    pub(super) shared: Arc<Shared>,
}

impl Scope {
    pub(in crate::runtime) fn new(
        lane: &dyn Lane,
        subscriber: Arc<Subscriber>,
        context: Arc<Context>,
        settings: Arc<GroupSettings>,
        control: Arc<LaneControl>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            topic: lane.topic().into(),
            partition: lane.partition(),
            retry_topic: subscriber.retry_topic(lane.topic()).cloned(),
            handler: Arc::new(subscriber.info()),
            subscriber,
            context,
            settings,
            control,
            shared,
        }
    }
}
