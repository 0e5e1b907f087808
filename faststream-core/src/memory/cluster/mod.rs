//! The broker itself: logs, the partitioner, groups with their coordinator, and the faults that a test injects.
//!
//! It knows no client. Events for a member go to its inbox, which the client (`memory::client`) reads; commands of
//! a member arrive as method calls on `ClusterState`.
//!
//! All of it is one `ClusterState` under one lock (`SharedCluster`), with two exceptions for speed: the records of
//! a partition have a lock of their own, and the offsets of a lane are atomics in an `OffsetCell`. Locks are taken
//! in this order: cluster, then log or inbox. Nothing here awaits.
//!
//! The protocol of a rebalance, as in Kafka's cooperative protocol:
//! 1. `balance` compares the owners with the shares of the members. A member with too many partitions gets a
//!    revocation for the rest and keeps the others; a partition without an owner is assigned.
//! 2. A revoked partition stays with its owner until the member answers. The client fences its lanes and commits
//!    what they stored before it passes the answer on.
//! 3. `answer` frees the partitions, and `balance` assigns them. Nobody reads a partition between the two.
//! 4. A member that does not answer within 60 s loses its membership: its partitions are free at once, and late
//!    commits and stores of its lanes are refused.

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
mod subscribe;
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
