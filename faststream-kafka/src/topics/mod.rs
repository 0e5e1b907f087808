//! Topics that the app needs: created or verified at startup (`ensure`), recreated if somebody deletes them
//! (`keeper`), and the records that a group has yet to read of them (`backlog`).
//!
//! These are retry topics and dead-letter topics; topics of results are only verified. `kept` decides whether a
//! topic keeps its records for long enough, `made` interprets the broker's answers, `client` holds the clients
//! that ask.
//!
//! All calls of the library block. They run on threads of their own, with clients that live as long as a question,
//! so neither a tokio worker nor the end of the program waits for a broker.

mod backlog;
mod client;
mod ensure;
mod keeper;
mod kept;
mod made;
mod offset;

pub(crate) use backlog::backlog;
pub(crate) use ensure::ensure;
pub(crate) use keeper::TopicKeeper;
pub(crate) use offset::find_offset;
