//! Sends one small request to the leaders of kept partitions after each answer.
//!
//! librdkafka pauses all partitions until a rebalance is answered, and its broker threads sleep for up to a second
//! afterwards. Any request to the same leader wakes them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use faststream_core::TopicPartition;
use rdkafka::consumer::Consumer;

use super::client::ConsumerClient;

const TIMEOUT: Duration = Duration::from_millis(200);
/// Enough to reach every leader of most clusters. More requests would be a burst at each rebalance.
const MOST: usize = 12;
/// The pause before each round. A request may arrive before the partitions are resumed, and then has no effect: they
/// are resumed a moment after the answer, on librdkafka's own thread.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(30), Duration::from_millis(150)];

/// The leaders to wake, by one thread at a time, so that many rebalances do not start many threads.
#[derive(Default)]
pub(super) struct Sleepers(Mutex<WakeupState>);

#[derive(Default)]
struct WakeupState {
    running: bool,
    partitions: Vec<TopicPartition>,
}

impl Sleepers {
    fn state(&self) -> MutexGuard<'_, WakeupState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next round; `None` ends the thread.
    fn next(&self) -> Option<Vec<TopicPartition>> {
        let mut state = self.state();
        let partitions = std::mem::take(&mut state.partitions);
        state.running = !partitions.is_empty();
        state.running.then_some(partitions)
    }
}

/// Wakes the leaders of these partitions. Returns at once, and ignores the results of the requests.
pub(super) fn leaders(client: &Arc<ConsumerClient>, kept: Vec<TopicPartition>) {
    if kept.is_empty() {
        return;
    }
    {
        let mut state = client.context().sleepers.state();
        state.partitions = kept;
        if std::mem::replace(&mut state.running, true) {
            return;
        }
    }
    let waking = Arc::clone(client);
    let run = move || {
        while let Some(partitions) = waking.context().sleepers.next() {
            for pause in PAUSES {
                thread::sleep(pause);
                for TopicPartition { topic, partition } in partitions.iter().take(MOST) {
                    let _ = waking.consumer().fetch_watermarks(topic, *partition, TIMEOUT);
                }
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("fs-wakeup".into()).spawn(run) {
        faststream_core::log::debug!("no thread to wake the leaders on: {error}");
        client.context().sleepers.state().running = false;
    }
}
