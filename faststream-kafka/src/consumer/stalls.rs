//! Detects partitions that are assigned and do not fetch.
//!
//! librdkafka can leave a partition assigned without ever fetching it, after some errors of the request for
//! committed offsets (librdkafka issue 5586), not all of which it reports. We fetch the offsets ourselves, so it
//! should not happen. This check finds it whatever the cause: the statistics contain the fetch state of each
//! partition, and anything but `active` for 5 s is a stall. A restart of the partition repaired it in every
//! measured case, within half a second.
//!
//! A paused partition is `active` in the statistics, so pauses of `memory.rs` and `corrupt.rs` are no stalls.

use std::time::{Duration, Instant};

use super::assignment::StartAt;
use super::client::ConsumerClient;
use super::partitions::Partitions;

/// How often partitions are checked.
const EVERY: Duration = Duration::from_secs(1);
/// How long a partition may not fetch, by the statistics, before it is stalled: two rounds of statistics, and one
/// second. Also how often all lanes are woken.
const STALLED: Duration = Duration::from_secs(5);

/// When lanes were checked. The state of each partition is in `OpenPartition::stalled_since`.
#[derive(Default)]
pub(super) struct StallWatch {
    /// When the next check is due; `None` before the first one.
    next: Option<Instant>,
    /// When all lanes were woken last, in case a wake-up was lost.
    woken: Option<Instant>,
}

impl StallWatch {
    /// Returns the partitions to restart, each at its lane's position. Checks once a second, not while a commit is
    /// in flight, and never while a rebalance waits for its answer (`is_asked`). A check that is more than a
    /// second late (a commit was in flight) begins the measurement again.
    pub(super) fn look(
        &mut self,
        client: &ConsumerClient,
        partitions: &mut Partitions,
        is_asked: bool,
    ) -> Vec<StartAt> {
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return Vec::new();
        }
        // While a commit is in flight librdkafka begins nothing, which is not a stall.
        let was_busy = self.next.is_some_and(|next| now > next + EVERY);
        self.next = Some(now + EVERY);
        if was_busy || is_asked {
            partitions.open_mut().for_each(|(_, open)| open.stalled_since = None);
        }
        if is_asked || client.context().awaits_answer() {
            return Vec::new();
        }
        // The safety net for a lost wake-up: none was ever lost, in millions of messages.
        let wakes = self.woken.is_none_or(|woken| now - woken >= STALLED);
        if wakes {
            self.woken = Some(now);
        }
        let mut stalled: Vec<StartAt> = Vec::new();
        for (tp, open) in partitions.open_mut() {
            if wakes {
                open.lane.wake();
            }
            if client.context().is_fetching(tp) != Some(false) {
                open.stalled_since = None;
            } else if now - *open.stalled_since.get_or_insert(now) > STALLED {
                open.stalled_since = None;
                let offset = open.lane.position();
                faststream_core::log::warn!(group = %client.context().group, topic = %tp.topic, partition = tp.partition, offset,
                    "assigned and not fetching for {STALLED:?}: fetching begins again");
                stalled.push((tp.clone(), Some(offset)));
            }
        }
        stalled
    }
}
