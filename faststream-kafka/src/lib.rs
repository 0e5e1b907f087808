//! The Kafka backend of faststream, on librdkafka.
//!
//! Users meet [`Kafka`] and [`KafkaConfig`]; everything else implements the broker contract of `faststream-core`.
//!
//! The modules are in the order in which one would explain them, and each imports only those before it:
//!
//! | module | its part |
//! | --- | --- |
//! | `config` | the settings, their check at startup, what may be printed |
//! | `reach`, `error_log` | what is logged about clients and brokers, at most once a minute for the same thing |
//! | `advertised` | finds a broker that answers and names an address that nobody can reach |
//! | `native` | the C interface of librdkafka, the only unsafe code |
//! | `producer` | one client and one thread for the process |
//! | `connect`, `topics` | questions to the brokers, on threads of their own |
//! | `consumer` | a client and a control thread for each group, a lane for each assigned partition |
//! | `kafka` | ties them together as the [`Broker`](faststream_core::broker::Broker) of an app |
//!
//! Threads: librdkafka's own, the producer's, one for each group, and short-lived ones for every call that blocks.
//! No call of this crate blocks a tokio worker.

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
