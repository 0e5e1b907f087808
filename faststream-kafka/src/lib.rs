//! The Kafka backend of faststream, on librdkafka.
//!
//! Users meet [`Kafka`] and [`KafkaConfig`]; everything else implements the broker contract of `faststream-core`.
//!
//! The modules stand in the order in which one would explain them, and each imports only those before it.

mod config;
mod reach;
mod error_log;
mod advertised;
mod native;
mod producer;
mod connect;
mod topics;
mod consumer;
mod kafka;

pub use config::{Acks, Compression, KafkaConfig, Protocol, Security};
pub use kafka::Kafka;
/// The client library, in the version that is used here: for the project's own benchmarks and tests, which would
/// otherwise build it even where they do not need it.
#[doc(hidden)]
pub use rdkafka;
