//! The contract of a backend: the operations that the runtime uses, and the promises of each side.
//!
//! Two backends implement it: the in-memory broker of this crate, and Kafka. The runtime exists once.
//!
//! A backend joins a group with a [`GroupMember`] from the runtime, and drives it synchronously, on one control thread
//! (or one task). It passes every event to `GroupMember::on`, and calls `GroupMember::turn` for time and for reports of
//! lanes. Both return commands, which the backend applies in order. The member never blocks, never awaits and never
//! panics on purpose.

mod at_join;
mod contract;
mod error;
mod event;
mod lane;
mod member;
mod producer;
mod receipt;
mod request;
#[doc(hidden)]
pub mod sealed;
mod seek;
mod topics;

pub use at_join::AtJoin;
pub use contract::{BoxFuture, Broker};
pub use error::BrokerError;
pub use event::{Command, CommitClass, CommitError, CommitReport, Epoch, Event, Remedy, RevocationId, Stale};
pub use lane::{Lane, LateStore};
pub use member::GroupMember;
pub use producer::{Producer, PublishError, PublishErrorKind, Published};
pub use receipt::{Answer, Receipt};
pub(crate) use receipt::{Mailbox, Numbered};
pub use request::{GroupRequest, PatternRequest};
pub use seek::SeekTo;
pub use topics::{TopicFault, TopicProblem, TopicPurpose, TopicRequest};
