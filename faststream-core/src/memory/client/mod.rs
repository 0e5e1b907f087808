//! What a client of the broker does: it reads lanes, commits, publishes, and drives a member.

mod commits;
mod driver;
mod lane;
mod producer;

pub(super) use commits::{arrived, request};
pub(super) use driver::drive;
pub(super) use producer::MemoryProducer;
