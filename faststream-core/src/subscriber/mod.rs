//! What `#[subscriber]` registers at link time, and what an app makes of it.

mod def;
mod resolved;
mod retry_topic;

pub use def::{HandlerFn, PublisherDef, Requirements, RetryDef, SourceDef, SubscriberDef, registered};
pub use resolved::{Source, Subscriber};
pub use retry_topic::RetryTopic;
