//! What travels in headers: the reason of a dead letter, the past of a retry copy. Nowhere else are these names written.

pub mod dead_letter;
mod header;
pub mod retry;
