//! The runtime: what happens to records between the broker and the handlers. It exists once, whatever the backend.

mod control;
mod member;
mod quiet;

pub use control::LaneControl;
pub use member::{Member, MemberHandle};
pub use quiet::{Quiet, Vote};
