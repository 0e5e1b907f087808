//! What `#[subscriber]` registers at link time, and what an app makes of it.

mod def;
mod resolved;

pub use def::{HandlerFn, PublisherDef, Requirements, RetryDef, SourceDef, SubscriberDef, registered};
pub use resolved::{Source, Subscriber};
