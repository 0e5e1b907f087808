//! The environment of a lane, which does not change while the lane lives.

use std::sync::Arc;

use crate::broker::Lane;
use crate::context::{Context, HandlerInfo, LaneControl};
use crate::policy::GroupSettings;
use crate::runtime::status::Shared;
use crate::subscriber::{Handler, LaneSpec, RetryTopic, Subscriber};

/// Where a lane reads, for which handler, and where it reports.
pub(in crate::runtime) struct Scope {
    /// The topic that it reads: a source topic, or a retry topic.
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// The retry topic that this is a partition of; `None` for a source topic.
    pub(super) retry_topic: Option<RetryTopic>,
    /// What the lane has to do, whoever handles its records.
    pub(super) spec: Arc<LaneSpec>,
    /// The handler of its records.
    pub(super) handler: Arc<Handler>,
    /// What deliveries lend of the handler.
    pub(super) info: Arc<HandlerInfo>,
    /// The topic for its dead letters.
    pub(super) dead_letter_topic: Arc<str>,
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
        subscriber: &Subscriber,
        context: Arc<Context>,
        settings: Arc<GroupSettings>,
        control: Arc<LaneControl>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            topic: lane.topic().into(),
            partition: lane.partition(),
            retry_topic: subscriber.spec.retry_topic(lane.topic()).cloned(),
            spec: Arc::clone(&subscriber.spec),
            handler: Arc::clone(&subscriber.handler),
            info: Arc::new(subscriber.info()),
            dead_letter_topic: subscriber.dead_letter_topic(lane.topic()),
            context,
            settings,
            control,
            shared,
        }
    }
}
