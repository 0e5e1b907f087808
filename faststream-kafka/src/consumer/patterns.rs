//! Topics by pattern: matched by us against the metadata, the client is only given names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use faststream_core::broker::GroupRequest;
use rdkafka::consumer::Consumer;

use super::client::Client;

const TIMEOUT: Duration = Duration::from_secs(5);
/// How often topics are looked for.
const EVERY: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_millis(500);

/// The topics to subscribe to, whenever they change.
pub(super) fn watch(client: &Arc<Client>, request: &Arc<GroupRequest>) -> Receiver<BTreeSet<String>> {
    let (sender, topics) = channel();
    let (weak, request) = (Arc::downgrade(client), Arc::clone(request));
    let run = move || {
        let mut known = request.topics.keys().cloned().collect::<BTreeSet<_>>();
        loop {
            // Not held while asleep: the client's end does not wait for this.
            let Some(client) = weak.upgrade() else { return };
            let found = find(&client, &request);
            drop(client);
            let pause = if found.is_some() { EVERY } else { FIRST };
            if let Some(found) = found.filter(|found| *found != known) {
                known.clone_from(&found);
                if sender.send(found).is_err() {
                    return;
                }
            }
            thread::sleep(pause);
        }
    };
    if let Err(error) = thread::Builder::new().name("fs-topics".into()).spawn(run) {
        tracing::error!("no thread to look for topics on: {error}");
    }
    topics
}

fn find(client: &Client, request: &GroupRequest) -> Option<BTreeSet<String>> {
    match client.consumer().fetch_metadata(None, TIMEOUT) {
        Ok(metadata) => {
            let names = metadata.topics().iter().map(rdkafka::metadata::MetadataTopic::name);
            let mut topics: BTreeSet<String> =
                names.filter(|name| request.reads(name)).map(ToOwned::to_owned).collect();
            topics.extend(request.topics.keys().cloned());
            Some(topics)
        }
        Err(error) => {
            client.context().errors.tell("metadata", format_args!("looking for topics by pattern: {error}"));
            None
        }
    }
}
