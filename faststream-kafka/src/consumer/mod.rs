//! A membership of a group: one client, one control thread, one lane per assigned partition.
//!
//! `Kafka::join` calls `start::join` once per group of the app, and again for each client that replaces an unusable one.
//! What has to outlive the client is in `kept.rs`.
//!
//! The files, from the outside to the inside:
//!
//! - *The loop*: `control.rs` (one turn), `alarm.rs` (what ends its wait), `context.rs` (what librdkafka's
//!   callbacks record for it), `closing.rs` (leaving the group).
//! - *Rebalances*: `rebalances.rs` (their order), `answers.rs` (their effects), `assignment.rs` (the call for each
//!   protocol), `wakeup.rs` (kept partitions after an answer).
//! - *Partitions*: `partitions.rs` and `open_partition.rs` (the state of each), `lane/` (the side that a task
//!   reads), `fetching.rs` (pause and resume).
//! - *Where a partition begins*: `offset_fetch.rs`, `offset_search.rs`, `offset_questions.rs`, `at_join.rs`.
//! - *Commits*: `committer.rs`, `commit_pause.rs`, `classify.rs`, `retention.rs`.
//! - *Topics*: `topics.rs`, `subscription.rs`, `topic_ids.rs`.
//! - *Checks of each turn*: `corrupt.rs`, `memory.rs`, `stalls.rs`, `freeze.rs`.
//! - *Health*: `problems.rs`, `joining.rs`, `session.rs`, `stats.rs`.
//!
//! Threads of one membership, by name:
//!
//! - `fs-{group}`, the control thread. It alone polls, assigns, commits and closes. It waits for a broker only
//!   once, after a fatal error (`Problems::remedy`).
//! - `fs-offsets`, one for each assignment, until all committed offsets are known.
//! - `fs-topics`, until all named topics exist, or as long as the membership if there are patterns. A second one
//!   of that name checks idle topics for `problems.rs`.
//! - `fs-group`, while the client is not in its group. It asks the coordinator for the other members.
//! - `fs-wakeup`, for about 0.2 s after an answer.
//! - `fs-destroy`, at the end. It waits until no call holds records of the client.
//!
//! The tasks of the lanes run on tokio's threads. They share nothing with the control thread but `LaneHandle` and
//! `GroupContext`.

mod alarm;
mod answers;
mod assignment;
mod at_join;
mod classify;
mod client;
mod closing;
mod commands;
mod commit_pause;
mod committer;
mod context;
mod control;
mod corrupt;
mod fetching;
mod freeze;
mod joining;
mod kept;
mod lane;
mod memory;
mod offset_fetch;
mod offset_questions;
mod offset_search;
mod open_partition;
mod partitions;
mod problems;
mod rebalances;
mod retention;
mod session;
mod stalls;
mod start;
mod stats;
mod subscription;
#[cfg(test)]
mod test_client;
mod topic_ids;
mod topics;
mod wakeup;

pub(crate) use kept::Kept;
pub(crate) use start::join;
#[cfg(test)]
use test_client::test_client;
#[cfg(test)]
pub(crate) use test_client::test_context;
