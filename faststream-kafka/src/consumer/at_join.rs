//! Finds out which topics exist before a group with `start = Latest` joins. After the group has joined, commits of
//! another member that joined at the same time could not be distinguished from those of an older group.
//!
//! `start = Latest` skips the records that exist when a new group begins, and nothing else. So two facts are
//! needed from before: which partitions there were, and in which topics the group had already committed. `AtJoin`
//! keeps them for `offset_search.rs`. The client subscribes only afterwards, which delays the join until a broker
//! has answered.
//!
//! Everything here blocks, and runs on the thread that searches for topics (`topics.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use faststream_core::TopicPartition;
use faststream_core::broker::GroupRequest;
use faststream_core::policy::Start;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::Offset;

use super::assignment;
use super::client::ConsumerClient;

/// How long the request for the commits may take. It is repeated with the next search for topics.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Returns whether this group has to check first: whether any of its topics or patterns has `start = Latest`.
pub(super) fn is_needed(request: &GroupRequest) -> bool {
    let by_pattern = request.patterns.iter().map(|pattern| pattern.start);
    request.topics.values().copied().chain(by_pattern).any(|start| start == Start::Latest)
}

/// Checks until everything was seen once, and returns false before that: a group that cannot read its commits must not
/// join as a new one. `there` are all topics, with their number of partitions.
pub(super) fn look(client: &ConsumerClient, there: &BTreeMap<String, i32>) -> bool {
    let (request, state) = (client.request(), client.at_join());
    if !is_needed(&request) || (state.known.is_some() && state.unknown.is_empty()) {
        return true;
    }
    let is_asked = |topic: &str| state.known.is_none() || state.unknown.contains(topic);
    let latest: BTreeMap<&String, i32> = there
        .iter()
        .filter(|(topic, _)| is_asked(topic) && request.start(topic) == Some(Start::Latest))
        .map(|(topic, partitions)| (topic, *partitions))
        .collect();
    let partitions: Vec<TopicPartition> = latest
        .iter()
        .flat_map(|(topic, partitions)| {
            (0..*partitions).map(|partition| TopicPartition::new(topic.as_str(), partition))
        })
        .collect();
    let known = match committed(client, &partitions) {
        Ok(known) => known,
        Err(error) => {
            let text = format_args!("reading the group's commits before it joins: {error}");
            client.context().errors.log("commits at join", text);
            return false;
        }
    };
    let mut at_join = state.known.unwrap_or_default();
    for (topic, partitions) in latest {
        at_join.note(topic, partitions, known.contains(topic));
    }
    client.set_at_join(at_join);
    true
}

/// Returns the topics in which the group has committed, in any of these partitions.
///
/// # Errors
/// If the coordinator does not answer, or refuses one of the partitions.
fn committed(client: &ConsumerClient, partitions: &[TopicPartition]) -> Result<BTreeSet<String>, String> {
    if partitions.is_empty() {
        return Ok(BTreeSet::new());
    }
    let asked = assignment::names(partitions).map_err(|error| error.to_string())?;
    let committed = client.consumer().committed_offsets(asked, TIMEOUT).map_err(|error| error.to_string())?;
    let mut topics = BTreeSet::new();
    for element in committed.elements() {
        element.error().map_err(|error| format!("{}/{}: {error}", element.topic(), element.partition()))?;
        if matches!(element.offset(), Offset::Offset(_)) {
            topics.insert(element.topic().to_owned());
        }
    }
    Ok(topics)
}
