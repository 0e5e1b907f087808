#![doc = "Kafka services from annotated functions."]
#![forbid(unsafe_code)]

pub use faststream_core::app::{Exit, FastStream, Health, Hook};
pub use faststream_core::broker::{CommitClass, PublishError, Published, Stale};
pub use faststream_core::delivery::{
    Delivery, FromBytes, FromDelivery, FromPayload, Headers, Json, Key, OptionalFromDelivery, Raw, Record,
    Rejection, State, Text,
};
pub use faststream_core::memory;
pub use faststream_core::policy::{AckPolicy, Commit, GroupSettings, OnError, Order, Retry, Start};
pub use faststream_core::publish::{
    EncodeError, IntoBytes, IntoOutgoing, IntoPayload, Outgoing, Partition, Publish,
};
pub use faststream_core::result::{Decide, Decision, Failure, IntoOutcome};
pub use faststream_core::runtime::Ack;
pub use faststream_core::subscriber::Requirements;
pub use faststream_core::verdict::Verdict;
pub use faststream_macros::{main, publisher, subscriber, test};

/// What generated code calls.
#[doc(hidden)]
pub mod __private {
    pub use faststream_core::__private::*;
}
