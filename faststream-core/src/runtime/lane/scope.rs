//! What a lane belongs to: nothing of it changes while the lane lives.

use std::sync::Arc;

use crate::app::Context;
use crate::broker::Lane;
use crate::policy::GroupSettings;
use crate::runtime::LaneControl;
use crate::runtime::status::Shared;
use crate::subscriber::{RetryTopic, Subscriber};

/// Where a lane reads, for whom, and whom it reports to.
pub(in crate::runtime) struct Scope {
    /// The topic that it reads: a source, or a retry topic.
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// Which retry topic this is a partition of; `None` is a source's.
    pub(super) retry_topic: Option<RetryTopic>,
    pub(super) subscriber: Arc<Subscriber>,
    /// What the app shares with its handlers.
    pub(super) context: Arc<Context>,
    pub(super) settings: Arc<GroupSettings>,
    /// What others may do to the lane.
    pub(super) control: Arc<LaneControl>,
    /// What the member reads of its lanes.
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
            subscriber,
            context,
            settings,
            control,
            shared,
        }
    }
}
