#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod signals;
#[cfg(feature = "cli")]
mod entry;

#[cfg(feature = "cli")]
pub use entry::run;
pub use faststream_core::TopicPartition;
pub use faststream_core::app::{
    ControlError, Environment, Exit, FastStream, Health, LaunchOptions, Plan, Running, StartError,
    StartOptions, StartupFaults,
};
pub use faststream_core::broker::{
    BrokerError, CommitClass, PublishError, PublishErrorKind, Published, SeekTo, Stale,
};
pub use faststream_core::delivery::{
    Ack, Cancellation, Captures, Delivery, FromBytes, FromDelivery, FromPayload, Header, Headers, Json, Key,
    Message, Metadata, OptionalFromDelivery, Raw, Requirements, State, Text, TypedHeader,
};
pub use faststream_core::hooks::{CommitFailure, GroupPartition, HookContext, Rebalance};
pub use faststream_core::memory;
pub use faststream_core::policy::{
    AckPolicy, Commit, DeadLetterGuard, GroupSettings, OnError, Order, Provision, Retry, Start,
};
pub use faststream_core::publish::{EncodeError, IntoBytes, IntoOutgoing, IntoPayload, Publish, Publisher};
pub use faststream_core::record::{HeaderList, Record};
pub use faststream_core::record::{Outgoing, Partition};
pub use faststream_core::result::Rejection;
pub use faststream_core::result::Verdict;
pub use faststream_core::result::{Decide, Decision, Failure, IntoOutcome};
pub use faststream_core::runtime::HeldRecord;
/// Runs an app in tests.
///
/// ```
/// use faststream::{FastStream, TestApp, memory::MemoryBroker, publisher, subscriber};
///
/// #[subscriber(topic = "numbers")]
/// #[publisher(topic = "doubles")]
/// async fn double(number: i64) -> anyhow::Result<i64> {
///     number.checked_mul(2).ok_or_else(|| anyhow::anyhow!("too large"))
/// }
///
/// async fn app() -> FastStream {
///     FastStream::new(MemoryBroker::new()).name("numbers")
///     # .module(module_path!())
/// }
///
/// // In a test: `#[faststream::test] async fn numbers_are_doubled()`.
/// # faststream::testing::run(false, || async {
/// let app = TestApp::start(app().await).await;
/// app.publish("numbers", &21).await;
/// assert_eq!(app.published::<i64>("doubles").single(), 42);
/// app.publish("numbers", &i64::MAX).await;
/// assert_eq!((app.calls("double").len(), app.held().len()), (6, 1));
/// assert!(app.health().degraded);
/// # });
/// ```
#[cfg(feature = "testing")]
pub use faststream_core::testing::TestApp;
#[cfg(feature = "testing")]
pub use faststream_core::testing::{self, simulate};
/// Generates `fn main`, which runs the app that an `async fn app() -> FastStream` builds.
///
/// ```no_run
/// use faststream::{FastStream, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64) {}
///
/// #[faststream::main]
/// async fn app() -> anyhow::Result<FastStream> {
///     let prices = std::fs::read_to_string("prices.csv")?;
///     Ok(FastStream::new(MemoryBroker::new()).state(prices))
/// }
/// ```
pub use faststream_macros::main;
pub use faststream_macros::{publisher, subscriber, test};

/// The Kafka backend: [`Kafka`](kafka::Kafka) is the broker of an app, [`KafkaConfig`](kafka::KafkaConfig) its
/// settings.
///
/// ```
/// use faststream::FastStream;
/// use faststream::kafka::{Kafka, KafkaConfig, Protocol};
///
/// // The program's defaults, which the environment and the command line may override.
/// let config = KafkaConfig::from_env().client_id("billing-1").protocol(Protocol::Range);
/// let app = FastStream::new(Kafka::with(config)).name("billing");
/// # let _ = app;
/// ```
#[cfg(feature = "kafka")]
pub mod kafka {
    pub use faststream_kafka::{Acks, Compression, Kafka, KafkaConfig, Protocol, Security};
}

/// What generated code calls.
#[doc(hidden)]
pub mod __private {
    pub use faststream_core::__private::*;

    #[cfg(feature = "cli")]
    pub use crate::entry::{Main, run_main as run};
}
