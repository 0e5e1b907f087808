#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod entry;
pub mod guide;
#[cfg(feature = "cli")]
mod signals;

#[cfg(feature = "cli")]
pub use entry::run;
pub use faststream_core::app::{
    CommitFailure, Environment, Exit, FastStream, GroupPartition, Health, Hook, Plan, Rebalance, Running,
    Setting, StartError, StartOptions, StartupFaults,
};
pub use faststream_core::broker::{
    BrokerError, CommitClass, PublishError, PublishErrorKind, Published, Stale,
};
pub use faststream_core::delivery::{
    Cancellation, Captures, Delivery, FromBytes, FromDelivery, FromPayload, Header, HeaderList, Headers,
    Json, Key, Message, Metadata, OptionalFromDelivery, Raw, Record, Rejection, State, Text, TypedHeader,
};
pub use faststream_core::memory;
pub use faststream_core::policy::{
    AckPolicy, Commit, DeadLetterGuard, GroupSettings, OnError, Order, Provision, Retry, Start,
};
pub use faststream_core::publish::{
    EncodeError, IntoBytes, IntoOutgoing, IntoPayload, Outgoing, Partition, Publish, Publisher,
};
pub use faststream_core::result::{Decide, Decision, Failure, IntoOutcome};
pub use faststream_core::runtime::{Ack, HeldRecord};
pub use faststream_core::subscriber::Requirements;
#[cfg(feature = "testing")]
pub use faststream_core::testing::{self, TestApp, simulate};
pub use faststream_core::verdict::Verdict;
pub use faststream_macros::{main, publisher, subscriber, test};

/// The Kafka backend.
#[cfg(feature = "kafka")]
pub mod kafka {
    pub use faststream_kafka::{Acks, Compression, Kafka, KafkaConfig, Protocol, Security};
}

/// What generated code calls.
#[doc(hidden)]
pub mod __private {
    pub use faststream_core::__private::*;

    #[cfg(feature = "cli")]
    pub use crate::entry::run_main as run;
}
