//! Records that cannot be read: some of their bytes were changed in a broker's log, or in transit.
//!
//! librdkafka loses its position in such a log: it skips the records, fetches them in a hot loop, or restarts the
//! partition. Here they count as held: later records wait, and they are fetched again with growing pauses. They
//! can be read again if the damage happened in transit, or once an intact replica leads.
//!
//! The cycle of one partition:
//!
//! 1. The lane's task finds an entry that is an error (`Corruption`), hands out the records before it, and stops.
//! 2. At the next turn, the control thread pauses the partition for 200 ms, and frees its queue.
//! 3. After the pause it seeks to the lane's position, resumes, and clears the finding. The lane reads again.
//! 4. If the entry is still an error, the cycle repeats with twice the pause, up to 30 s. Otherwise the wait ends,
//!    once the lane's position has passed the place.
//!
//! `check.crcs` is on by default in faststream. Without it, changed bytes can reach handlers.

use std::time::{Duration, Instant};

use faststream_core::TopicPartition;
use faststream_core::policy::Backoff;

use super::client::ConsumerClient;
use super::fetching;
use super::partitions::Partitions;
use crate::native::Corruption;

/// The longest pause before they are fetched again.
const LONGEST: Duration = Duration::from_secs(30);
/// The pauses before they are fetched again.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(200), LONGEST);

/// A partition with a record that cannot be read. Exists from the first finding until a record after it was read.
pub(super) struct CorruptWait {
    /// The offset at which it continues: the lane's position at the last finding.
    next: i64,
    /// The pause between two attempts.
    pause: Backoff,
    /// Until when it is not fetched; `None` while it is fetched, to check whether it can be read now.
    until: Option<Instant>,
}

impl CorruptWait {
    /// Returns the wait of a partition that is still fetched.
    fn new() -> Self {
        Self { next: 0, pause: PAUSES, until: None }
    }

    /// Returns whether the client has paused the partition.
    pub(super) fn is_paused(&self) -> bool {
        self.until.is_some()
    }

    /// Stops fetching the partition, for a longer pause than before. `next` is the offset at which it continues.
    fn stop(&mut self, next: i64, now: Instant) {
        self.next = next;
        self.until = Some(now + self.pause.lengthen());
    }
}

/// Stops fetching records that cannot be read, and fetches them again after the pause. Not while a rebalance waits for
/// its answer, because nothing is fetched then.
pub(super) fn handle(client: &ConsumerClient, partitions: &mut Partitions) {
    let now = Instant::now();
    let (mut stopped, mut again) = (Vec::new(), Vec::new());
    for (tp, open) in partitions.open_mut() {
        let Some(corruption) = open.lane.corruption() else {
            if open.corrupt.take_if(|wait| open.lane.position() > wait.next).is_some() {
                let (TopicPartition { topic, partition }, group) = (tp, &client.context().group);
                faststream_core::log::info!(%group, %topic, partition, "what was damaged can be read now");
            }
            continue;
        };
        let wait = open.corrupt.get_or_insert_with(CorruptWait::new);
        match wait.until {
            None => {
                wait.stop(open.lane.position(), now);
                log(client, tp, &corruption);
                stopped.push(tp.clone());
            }
            Some(until) if until <= now => {
                wait.until = None;
                again.push(tp.clone());
            }
            Some(_) => {}
        }
    }
    fetching::stop(client, partitions, &stopped);
    fetching::resume(client, partitions, &again);
    for lane in again.iter().filter_map(|tp| partitions.lane(tp)) {
        lane.look_again();
    }
}

/// Logs the finding, for each partition at once and then once a minute. The text names both fixes, because nothing
/// ends the wait by itself if all replicas are damaged.
fn log(client: &ConsumerClient, tp: &TopicPartition, Corruption { offset, reason }: &Corruption) {
    let text = format_args!(
        "{tp}: what is at offset {offset} cannot be read: {reason}; nothing from there on is handled, and it is fetched again, \
         at last every {LONGEST:?}: mend the log, or commit an offset behind it to give it up"
    );
    client.context().errors.log(&format!("{tp} is damaged"), text);
}
