//! Publishing: what a record on its way to the broker is, and the handle that users publish with.

mod outgoing;

pub use outgoing::{Outgoing, Partition};
