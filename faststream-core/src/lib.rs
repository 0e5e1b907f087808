//! The core of faststream: deliveries, policies, the broker contract, the runtime, the in-memory broker, the test app.
//!
//! Users depend on the `faststream` crate, which re-exports what they need of this one.
//!
//! The modules stand in the order in which one would explain them, and each imports only those before it (a test of the
//! workspace reads the imports).
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod log;
mod topic_partition;
pub mod policy;
pub mod topic_name;
pub mod record;
pub mod wire;
pub mod broker;
pub mod result;
pub mod publish;
pub mod context;
pub mod delivery;
pub mod subscriber;
pub mod hooks;
pub mod runtime;
pub mod app;
pub mod memory;
#[doc(hidden)]
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
#[cfg(feature = "testing")]
pub mod testing;
#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

pub use topic_partition::TopicPartition;
