//! What a broker is: logs, the partitioner, groups with their coordinator, and the faults that a test asks for.
//!
//! It knows no client. What happens to a member goes to its inbox, which the [client](super::client) reads.

mod assignment;
mod cell;
mod coordinator;
mod external;
mod faults;
mod group;
mod log;
mod partitioner;
mod provision;
mod publishes;
mod rebalance;
mod shared;
mod state;
mod topics;

pub(super) use assignment::OpenedLane;
pub(super) use cell::OffsetCell;
#[cfg(feature = "testing")]
pub(crate) use coordinator::SESSION;
pub use external::ExternalMember;
pub(super) use faults::{CommitFault, InjectedFaults};
pub(super) use group::{CommitRequest, InboxMessage, MemberId, MemberInbox};
pub(super) use log::StoredRecord;
pub(super) use shared::{Connection, SharedCluster};
pub(super) use state::{ClusterState, ScheduledEvent};
