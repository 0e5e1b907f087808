//! The runtime: handles records between the broker and the handlers. It exists once, whatever the backend.
//!
//! There is one member for each group (`member`, with decisions by `group`), and one task for each lane (`lane`).

mod commits;
mod deaths;
mod group;
mod lane;
mod listed;
mod member;
mod member_handle;
mod member_scope;
mod member_status;
mod metrics;
mod offsets;
mod pauses;
mod progress;
mod reports;
mod requests;
mod running;
mod status;

pub use member::Member;
pub use member_handle::MemberHandle;
pub use member_status::{
    AssignmentStatus, CommitStatus, DyingPartition, Ended, HeldRecord, MemberStatus, PausedHandler,
    StuckCall, Uncommitted, UnconfirmedCopy,
};
pub(crate) use pauses::{PauseTarget, Pauses};
pub(crate) use requests::{Refused, Request};
