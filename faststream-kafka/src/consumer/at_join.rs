//! Looks what there is before a group with `start = Latest` joins: once it has, commits of another member that joined at
//! the same time could not be told from those of an older group.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::{AtJoin, GroupRequest};
use faststream_core::policy::Start;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::Offset;

use super::assignment;
use super::client::Client;
use super::context::Place;

const TIMEOUT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);
/// For so long a group whose commits cannot be read does not join. Then it begins as a new one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether this group has to look first.
pub(super) fn is_needed(request: &GroupRequest) -> bool {
    let by_pattern = request.patterns.iter().map(|pattern| pattern.start);
    request.topics.values().copied().chain(by_pattern).any(|start| start == Start::Latest)
}

/// Looks, the first time that it is asked to. `there` are all topics, with their number of partitions.
pub(super) fn look(client: &Client, request: &GroupRequest, there: &BTreeMap<String, i32>) {
    if !is_needed(request) || client.at_join().is_some() {
        return;
    }
    let latest: BTreeMap<&String, i32> = there
        .iter()
        .filter(|(topic, _)| request.start(topic) == Some(Start::Latest))
        .map(|(topic, partitions)| (topic, *partitions))
        .collect();
    let places: Vec<Place> = latest
        .iter()
        .flat_map(|(topic, partitions)| (0..*partitions).map(|partition| (topic.as_str().into(), partition)))
        .collect();
    let known = with_commits(client, &places);
    let mut at_join = AtJoin::default();
    for (topic, partitions) in latest {
        at_join.note(topic, partitions, known.contains(topic));
    }
    client.set_at_join(at_join);
}

/// The topics in which the group has committed.
fn with_commits(client: &Client, places: &[Place]) -> BTreeSet<String> {
    let began = Instant::now();
    loop {
        if places.is_empty() {
            return BTreeSet::new();
        }
        match committed(client, places) {
            Ok(known) => return known,
            Err(error) => {
                let text = format_args!("reading the group's commits before it joins: {error}");
                client.context().errors.tell("commits at join", text);
            }
        }
        if began.elapsed() > PATIENCE {
            return BTreeSet::new();
        }
        thread::sleep(PAUSE);
    }
}

fn committed(client: &Client, places: &[Place]) -> Result<BTreeSet<String>, String> {
    let starts: Vec<_> = places.iter().map(|place| (place.clone(), None)).collect();
    let asked = assignment::list(&starts).map_err(|error| error.to_string())?;
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
