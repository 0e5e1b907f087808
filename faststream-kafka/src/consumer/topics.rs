//! Which topics there are. Those by pattern are matched by us against the metadata, the client is only given names;
//! those by name that do not exist are told, and awaited.
//!
//! librdkafka says nothing of a missing topic to a group, and would find it half a minute after it was created. A list
//! of all topics makes it look at once, and join again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::metadata::Metadata;

use super::at_join;
use super::client::ConsumerClient;
use super::retention;

const TIMEOUT: Duration = Duration::from_secs(5);
/// How often topics are looked for by pattern.
const EVERY: Duration = Duration::from_secs(10);
/// How often topics are looked for that are missing, or when the last answer was an error.
const SOON: Duration = Duration::from_secs(1);
/// So many times; then they are not about to be created.
const SOON_TIMES: u32 = 60;

/// The topics to subscribe to, whenever they change: also once at the start, if the group must not join before what there is
/// was looked at. Ends when all names are there, and nothing is by pattern.
pub(super) fn watch(client: &Arc<ConsumerClient>) -> Receiver<BTreeSet<String>> {
    let (sender, topics) = channel();
    let (weak, unwatched) = (Arc::downgrade(client), sender.clone());
    let named: BTreeSet<String> = client.request().topics.keys().cloned().collect();
    let all_named = named.clone();
    let mut known = if at_join::is_needed(client.request()) { BTreeSet::new() } else { named.clone() };
    let run = move || {
        let (mut missing, mut asked) = (BTreeSet::new(), false);
        for look in 0_u32.. {
            // Not held while asleep: the client's end does not wait for this.
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
        // Better than not at all.
        let _ = unwatched.send(all_named);
    }
    topics
}

fn metadata(client: &ConsumerClient) -> Option<Metadata> {
    let metadata = client.consumer().fetch_metadata(None, TIMEOUT);
    if let Err(error) = &metadata {
        client.context().errors.log("metadata", format_args!("looking for topics: {error}"));
    }
    metadata.ok()
}

/// The topics that the broker shows to this client, with their number of partitions.
fn list(metadata: &Metadata) -> BTreeMap<String, i32> {
    let partitions = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let topics = metadata.topics().iter();
    topics.map(|topic| (topic.name().to_owned(), partitions(topic.partitions().len()))).collect()
}

/// At once, then once a minute.
fn log_missing(client: &ConsumerClient, absent: &BTreeSet<String>) {
    for topic in absent {
        client.context().errors.missing_topic(topic);
    }
}
