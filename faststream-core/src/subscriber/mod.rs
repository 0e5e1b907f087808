//! Subscribers: as `#[subscriber]` registers them at link time, and as an app resolves them.

mod def;
mod handler;
mod lane_spec;
mod resolved;
mod retry_topic;

pub use def::{HandlerFn, PublisherDef, RetryDef, SourceDef, SubscriberDef, registered};
pub use handler::Handler;
pub use lane_spec::{LaneSpec, Source};
pub use resolved::Subscriber;
pub use retry_topic::RetryTopic;
