//! The start of a membership: its client, its first subscription, and its control thread.

use std::sync::Arc;
use std::time::Duration;

use faststream_core::broker::{BrokerError, GroupMember, GroupRequest};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::client::ConsumerClient;
use super::committer::Committer;
use super::context::GroupContext;
use super::control::Control;
use super::joining::Wanted;
use super::memory::MemoryBudget;
use super::problems::Problems;
use super::{Kept, freeze, session, topics};
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
    let at_once = topics::at_once(&request);
    let names: Vec<&str> = at_once.iter().map(String::as_str).collect();
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
