//! What a client library does for its program: it reads lanes, commits, publishes, and drives a member.
//!
//! The Kafka backend has librdkafka for this. Everything here runs on the tasks of the app: a lane on the task of
//! its partition, a member on a task of its own, commits on that task or on the agenda, publishes on the task that
//! publishes.
//!
//! It changes the cluster only through methods of `ClusterState`, under its lock. The cluster in turn knows
//! nothing of these modules: it writes to the inbox of a member, and schedules what the agenda then hands to
//! `commits`.

mod commands;
mod commits;
mod driver;
mod lane;
mod producer;

pub(super) use commits::{arrived, request};
pub(super) use driver::drive;
pub(super) use producer::MemoryProducer;
