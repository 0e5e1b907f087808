//! The core of faststream: deliveries, policies, the broker contract, the runtime, the in-memory broker, the test app.
//!
//! Users depend on the `faststream` crate, which re-exports what they need of this one.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;
pub mod app;
pub mod broker;
pub mod delivery;
#[doc(hidden)]
pub mod log;
pub mod memory;
pub mod policy;
pub mod publish;
pub mod result;
pub mod runtime;
pub mod subscriber;
#[cfg(feature = "testing")]
pub mod testing;
mod topic_partition;
pub mod verdict;

pub use topic_partition::TopicPartition;
