//! Topics made or verified at start, and made again when they are gone; what a group has yet to read of them.

mod backlog;
mod client;
mod ensure;
mod keeper;
mod kept;
mod made;

pub(crate) use backlog::backlog;
pub(crate) use ensure::ensure;
pub(crate) use keeper::TopicKeeper;
