//! The headers that faststream writes: the reason of a dead letter, the past of a retry copy.
//!
//! Their names are an interface: other programs read them, and copies of an earlier version are still in topics.
//! They are written nowhere else.

pub mod dead_letter;
mod header;
pub mod retry;
