//! One small request to the leaders of kept partitions after each answer.
//!
//! librdkafka pauses all partitions until a rebalance is answered, and its broker threads sleep on for up to a second
//! afterwards: any request to the same leader wakes them.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::consumer::Consumer;

use super::client::Client;
use super::context::Place;

const TIMEOUT: Duration = Duration::from_millis(200);
/// Enough to meet every leader of most clusters; more would be a burst at each rebalance.
const MOST: usize = 12;

/// Returns at once; what comes of the requests does not matter.
pub(super) fn leaders(client: &Arc<Client>, kept: Vec<Place>) {
    if kept.is_empty() {
        return;
    }
    let client = Arc::clone(client);
    let run = move || {
        for (topic, partition) in kept.iter().take(MOST) {
            let _ = client.consumer().fetch_watermarks(topic, *partition, TIMEOUT);
        }
    };
    if let Err(error) = thread::Builder::new().name("fs-wakeup".into()).spawn(run) {
        tracing::debug!("no thread to wake the leaders on: {error}");
    }
}
