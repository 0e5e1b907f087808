//! Records, read or to be written, as a broker and the rest of the crate exchange them.

mod incoming;
mod outgoing;

pub use incoming::{HeaderList, OwnedRecord, Record};
pub(crate) use outgoing::timestamp_fault;
pub use outgoing::{Outgoing, Partition};
