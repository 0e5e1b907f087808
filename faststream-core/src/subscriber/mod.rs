//! Subscribers: as `#[subscriber]` registers them at link time, and as an app resolves them.

mod def;
mod resolved;
mod retry_topic;

pub use def::{HandlerFn, PublisherDef, RetryDef, SourceDef, SubscriberDef, registered};
pub use resolved::{Source, Subscriber};
pub use retry_topic::RetryTopic;
