//! What a real broker never does, or not when it is asked to: on librdkafka's mock cluster, without Java.

mod clients;
mod cluster;
mod commits;
mod fetching;

pub(crate) use cluster::{CONSUMER_GROUP_HEARTBEAT, Cluster};
