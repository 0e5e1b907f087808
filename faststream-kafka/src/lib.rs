//! The Kafka backend of faststream, on librdkafka.
//!
//! Users meet [`Kafka`] and [`KafkaConfig`]; everything else implements the broker contract of `faststream-core`.

mod advertised;
mod config;
mod connect;
mod consumer;
mod error_log;
mod kafka;
mod native;
mod producer;
mod reach;
mod topics;

pub use config::{Acks, Compression, KafkaConfig, Protocol, Security};
pub use kafka::Kafka;
/// The client library, in the version that is used here: for the project's own benchmarks and tests, which would
/// otherwise build it even where they do not need it.
#[doc(hidden)]
pub use rdkafka;
