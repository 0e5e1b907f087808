//! A membership of a group: one client, one control thread, one lane per assigned partition.
//!
//! `Kafka::join` calls `join` once per group of the app, and again for each client that replaces an unusable one.
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
mod stats;
mod subscription;
mod topic_ids;
mod topics;
mod wakeup;

use std::sync::Arc;
use std::time::Duration;

use faststream_core::broker::{BrokerError, GroupMember, GroupRequest};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use self::client::ConsumerClient;
use self::committer::Committer;
use self::context::GroupContext;
use self::control::Control;
use self::joining::Wanted;
pub(crate) use self::kept::Kept;
use self::memory::MemoryBudget;
use self::problems::Problems;
use crate::config::Secrets;

/// librdkafka's default of `session.timeout.ms`, for a configuration without that property. `config/clients.rs`
/// sets 15 s for the classic protocol, and KIP-848 clients do not use the value.
const DEFAULT_SESSION: Duration = Duration::from_secs(45);

/// Joins a group and returns at once: a separate thread drives `member` until it is finished.
///
/// Nothing here connects. An unavailable broker is not an error: the client keeps trying, and `problems.rs`
/// reports it.
///
/// - `config` creates the consumer's client, `asking` the short-lived clients that read a setting of the broker.
/// - `who` names the cluster in errors and logs.
/// - `kept` is what an earlier client of the same group left behind.
/// - `memory` limits what all partitions together may have fetched ahead, in bytes. It is `None` if the user set
///   limits of single partitions.
///
/// # Errors
/// If librdkafka refuses the settings or the subscription, or if the control thread cannot be started. No secret
/// of `config` is in the text.
pub(crate) fn join(
    config: &ClientConfig,
    asking: ClientConfig,
    who: &str,
    request: GroupRequest,
    member: Box<dyn GroupMember>,
    kept: Kept,
    memory: Option<u64>,
) -> Result<(), BrokerError> {
    let group = Arc::clone(&request.group);
    let secrets = Secrets::of(config);
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        let error = error.to_string();
        BrokerError::new(format!("{who}, group {group}: {what}: {}", secrets.hide(&error)))
    };
    let context = GroupContext::new(Arc::clone(&request.group), Arc::clone(&kept.errors));
    let consumer: BaseConsumer<GroupContext> = config
        .create_with_context(context)
        .map_err(|error| failed("the client refuses its settings", &error))?;
    let client = ConsumerClient::new(consumer, request);
    let queued = config.get("queued.max.messages.kbytes").and_then(|kbytes| kbytes.parse().ok());
    if let Some(kbytes) = queued {
        client.limit_batches(kbytes);
    }
    // The other topics are subscribed to after the search for topics.
    let request = client.request();
    let at_once = request.topics.keys().map(String::as_str).filter(|_| !at_join::is_needed(request));
    let names: Vec<&str> = at_once.collect();
    let subscribed = if names.is_empty() { Ok(()) } else { client.consumer().subscribe(&names) };
    subscribed.map_err(|error| failed("subscribing", &error))?;
    let committer = Committer::new(request.commit_interval, config, Arc::clone(&kept.pause));
    let session = {
        let (group, kept) = (Arc::clone(&group), kept);
        Box::new(move || session::session(&asking, &group, &kept))
    };
    let text = |name: &str| config.get(name).unwrap_or_default();
    let wanted = match text("group.protocol") {
        "consumer" => Wanted::Broker,
        _ => Wanted::Assignors(text("partition.assignment.strategy").to_owned()),
    };
    let timeout = text("session.timeout.ms").parse().map_or(DEFAULT_SESSION, Duration::from_millis);
    freeze::watch(&client, &wanted, timeout);
    let problems = Problems::new(wanted, session);
    let control = Control::new(client, member, committer, problems, MemoryBudget::new(memory));
    let thread = std::thread::Builder::new().name(format!("fs-{group}"));
    thread.spawn(move || control.run()).map(drop).map_err(|error| failed("starting its thread", &error))
}

/// Returns the context of a client of a group, for tests that create one.
#[cfg(test)]
pub(crate) fn test_context(errors: crate::error_log::ErrorLog) -> GroupContext {
    GroupContext::new("test".into(), Arc::new(errors))
}

/// Returns a client of a group that no broker can be reached by, for tests that need one. It reads no topic.
#[cfg(test)]
fn test_client() -> Arc<ConsumerClient> {
    let consumer = ClientConfig::new()
        // No broker listens there.
        .set("bootstrap.servers", "127.0.0.1:1")
        .set("group.id", "test")
        .create_with_context(test_context(crate::error_log::ErrorLog::new("test")))
        .expect("a client");
    let request = GroupRequest {
        group: "test".into(),
        topics: std::collections::BTreeMap::new(),
        patterns: Vec::new(),
        commit_interval: Duration::from_secs(1),
        drain: Duration::from_secs(5),
    };
    ConsumerClient::new(consumer, request)
}
