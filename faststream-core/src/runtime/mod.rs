//! The runtime: handles records between the broker and the handlers. It exists once, whatever the backend.
//!
//! There is one member for each group (`member`, with decisions by `group`), and one task for each lane (`lane`).

mod ack;
pub(crate) mod apart;
mod commits;
mod control;
mod deaths;
mod group;
mod hooks;
mod idle;
mod lane;
mod listed;
mod member;
mod member_scope;
mod metrics;
mod offset_cell;
mod offsets;
pub(crate) mod panics;
mod plain;
mod progress;
mod reports;
mod running;
mod settled;
mod status;
mod unfinished;
mod work;

pub use ack::Ack;
pub use control::LaneControl;
pub use idle::{BusyGuard, IdleTracker};
pub use member::Member;
pub use plain::{PlainCall, PlainCalls, RunPlain, Threads};
pub use status::{
    DyingPartition, Ended, HeldRecord, MemberHandle, MemberStatus, StuckCall, Uncommitted, UnconfirmedCopy,
};
