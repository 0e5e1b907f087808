//! Finds the topics of a group. We match patterns against the metadata, and the client gets only names. Missing
//! named topics are logged and awaited.
//!
//! librdkafka reports no missing topic to a group, and would find it half a minute after its creation. A list of
//! all topics makes it check at once, and join again.
//!
//! One thread for each membership, because each look blocks for up to 5 s. It looks every second for the first
//! minute, as long as something is missing, and then every 10 s. It ends once nothing can be missing any more. It
//! holds the client only during a look, and ends at the first look after the client's end.
//!
//! The thread has three other tasks, because it holds the first list of all topics: what existed at the join
//! (`at_join.rs`), how long the broker keeps offsets (`retention.rs`), and which topics a group without any waits
//! for (`joining.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use faststream_core::broker::GroupRequest;
use rdkafka::consumer::Consumer;
use rdkafka::metadata::Metadata;

use super::at_join;
use super::client::ConsumerClient;
use super::retention;

/// How long the metadata may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often topics are searched by pattern, and missing topics after the first minute.
const EVERY: Duration = Duration::from_secs(10);
/// How often missing topics are searched, or any topics after an error.
const SOON: Duration = Duration::from_secs(1);
/// How many times; after that they are not about to be created, and each look asks for the metadata of the whole
/// cluster.
const SOON_TIMES: u32 = 60;

/// The search for the topics of a group. Dropping it ends it.
pub(super) struct TopicWatch {
    /// The topics to subscribe to, whenever they change.
    found: Receiver<BTreeSet<String>>,
    is_over: Arc<AtomicBool>,
}

impl TopicWatch {
    /// Returns the topics to subscribe to, if they changed. `Disconnected` once all names exist, and there are no
    /// patterns.
    pub(super) fn found(&self) -> Result<BTreeSet<String>, TryRecvError> {
        self.found.try_recv()
    }
}

impl Drop for TopicWatch {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
    }
}

/// Returns the topics of a group that are subscribed to before it is known which exist: none if the group must not join
/// before those were checked.
pub(super) fn at_once(request: &GroupRequest) -> BTreeSet<String> {
    if at_join::is_needed(request) { BTreeSet::new() } else { request.topics.keys().cloned().collect() }
}

/// Searches for the topics of a group. `known` are subscribed to already.
///
/// Missing topics that are named are always in the list, so that librdkafka looks for them, too. If the thread
/// cannot be started, the list contains the names alone, and patterns match nothing.
pub(super) fn watch(client: &Arc<ConsumerClient>, mut known: BTreeSet<String>) -> TopicWatch {
    let (sender, found) = channel();
    let (weak, unwatched) = (Arc::downgrade(client), sender.clone());
    let named: BTreeSet<String> = client.request().topics.keys().cloned().collect();
    let all_named = named.clone();
    let is_over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&is_over);
    let run = move || {
        let (mut missing, mut asked) = (BTreeSet::new(), false);
        for look in 0_u32.. {
            if ended.load(SeqCst) {
                return;
            }
            // Not held during the sleep, so that the client's end does not wait for it.
            let Some(client) = weak.upgrade() else { return };
            let request = client.request();
            let cluster = metadata(&client);
            let there = cluster.as_ref().map(list);
            let mut pause = if look < SOON_TIMES { SOON } else { EVERY };
            if let Some(there) = there.filter(|there| at_join::look(&client, there)) {
                let there: BTreeSet<String> = there.into_keys().collect();
                let absent: BTreeSet<String> = named.difference(&there).cloned().collect();
                for topic in missing.difference(&absent) {
                    faststream_core::log::info!(group = %request.group, %topic, "the topic is there now");
                }
                log_missing(&client, &absent);
                client.context().joining.awaits(awaited(&request, &absent, &there));
                let found: BTreeSet<String> =
                    there.into_iter().filter(|topic| request.reads(topic)).chain(named.clone()).collect();
                if found != known {
                    known.clone_from(&found);
                    if sender.send(found).is_err() {
                        return;
                    }
                }
                if !asked && let Some(cluster) = &cluster {
                    asked = true;
                    if let Some(kept) = retention::ask(&client, cluster) {
                        client.set_offsets_kept(kept);
                    }
                }
                if absent.is_empty() {
                    if request.patterns.is_empty() {
                        return;
                    }
                    pause = EVERY;
                }
                missing = absent;
            }
            drop(client);
            thread::sleep(pause);
        }
    };
    if let Err(error) = thread::Builder::new().name("fs-topics".into()).spawn(run) {
        faststream_core::log::error!("no thread to look for topics on: {error}");
        // Better than no subscription.
        let _ = unwatched.send(all_named);
    }
    TopicWatch { found, is_over }
}

/// Requests the metadata of all topics. Blocks for 5 s at most, and logs an error.
fn metadata(client: &ConsumerClient) -> Option<Metadata> {
    let metadata = client.consumer().fetch_metadata(None, TIMEOUT);
    if let Err(error) = &metadata {
        client.context().errors.log("metadata", format_args!("looking for topics: {error}"));
    }
    metadata.ok()
}

/// Returns the topics that the broker shows to this client, with their number of partitions. A topic that this
/// user may not describe is not among them.
fn list(metadata: &Metadata) -> BTreeMap<String, i32> {
    let partitions = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let topics = metadata.topics().iter();
    topics.map(|topic| (topic.name().to_owned(), partitions(topic.partitions().len()))).collect()
}

/// Returns what a group waits for if it has nothing to read: its missing topics, and its patterns. `None` if at
/// least one topic that it reads exists.
fn awaited(request: &GroupRequest, absent: &BTreeSet<String>, there: &BTreeSet<String>) -> Option<String> {
    if there.iter().any(|topic| request.reads(topic)) {
        return None;
    }
    let missing = absent.iter().map(|topic| format!("`{topic}` does not exist, or may not be described"));
    let unmatched = request
        .patterns
        .iter()
        .map(|pattern| format!("no topic matches the pattern `{}` yet", pattern.regex));
    let all: Vec<_> = missing.chain(unmatched).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Logs missing topics: at once, then once a minute.
fn log_missing(client: &ConsumerClient, absent: &BTreeSet<String>) {
    for topic in absent {
        client.context().errors.missing_topic(topic);
    }
}

#[cfg(test)]
mod tests {
    use faststream_core::broker::PatternRequest;
    use faststream_core::policy::Start;

    use super::*;

    fn request(topics: &[&str], patterns: &[&str]) -> GroupRequest {
        let pattern =
            |text: &&str| PatternRequest { regex: text.parse().expect("a pattern"), start: Start::Earliest };
        GroupRequest {
            group: "billing".into(),
            topics: topics.iter().map(|topic| ((*topic).to_owned(), Start::Earliest)).collect(),
            patterns: patterns.iter().map(pattern).collect(),
            commit_interval: TIMEOUT,
            drain: TIMEOUT,
        }
    }

    fn topics(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_group_without_any_topic_says_which_it_waits_for() {
        let by_pattern = request(&[], &["^orders-"]);
        assert_eq!(
            awaited(&by_pattern, &topics(&[]), &topics(&["other"])).as_deref(),
            Some("no topic matches the pattern `^orders-` yet")
        );
        assert_eq!(awaited(&by_pattern, &topics(&[]), &topics(&["orders-eu"])), None);
        let by_name = request(&["orders", "returns"], &[]);
        assert_eq!(
            awaited(&by_name, &topics(&["orders", "returns"]), &topics(&["other"])).as_deref(),
            Some(
                "`orders` does not exist, or may not be described; `returns` does not exist, or may not be described"
            )
        );
        assert_eq!(awaited(&by_name, &topics(&["returns"]), &topics(&["orders"])), None, "it reads that one");
    }
}
