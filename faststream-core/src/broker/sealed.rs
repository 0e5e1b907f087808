//! Restricts [`Broker`](super::Broker) to the backends of this project. Not part of the public interface.
//!
//! ```compile_fail
//! use faststream_core::broker::{
//!     BoxFuture, Broker, BrokerError, GroupMember, GroupRequest, Producer, SeekTo, TopicFault,
//!     TopicRequest,
//! };
//! use std::sync::Arc;
//!
//! #[derive(Debug)]
//! struct Mine;
//!
//! impl Broker for Mine {
//!     fn describe(&self) -> String {
//!         String::new()
//!     }
//!     fn check(&self, _: &[GroupRequest]) -> Vec<String> {
//!         Vec::new()
//!     }
//!     fn connect(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
//!         todo!()
//!     }
//!     fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
//!         todo!()
//!     }
//!     fn join(&self, _: GroupRequest, _: Box<dyn GroupMember>) -> Result<(), BrokerError> {
//!         todo!()
//!     }
//!     fn topics(&self) -> BoxFuture<'_, Result<Vec<(String, i32)>, BrokerError>> {
//!         todo!()
//!     }
//!     fn ensure_topics(&self, _: &[TopicRequest]) -> BoxFuture<'_, Result<Vec<TopicFault>, BrokerError>> {
//!         todo!()
//!     }
//!     fn backlog(&self, _: &str, _: &[String]) -> BoxFuture<'_, Result<Vec<(String, u64)>, BrokerError>> {
//!         todo!()
//!     }
//!     fn find_offset(&self, _: &faststream_core::TopicPartition, _: SeekTo) -> BoxFuture<'_, Result<i64, BrokerError>> {
//!         todo!()
//!     }
//! }
//! ```

/// Implemented only by the backends of this project.
pub trait Sealed {}
