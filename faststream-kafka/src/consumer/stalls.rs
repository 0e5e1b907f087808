//! Partitions that are assigned and do not fetch are begun again, and those whose log began again.

use faststream_core::TopicPartition;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::assignment::StartAt;
use super::control::Control;
use super::rebalances::{Rebalance, Revoke};

const EVERY: Duration = Duration::from_secs(1);
/// Not fetching for this long, by the statistics, is a stall.
const STALLED: Duration = Duration::from_secs(5);

/// When lanes were looked at, and since when some do not fetch.
#[derive(Default)]
pub(super) struct StallWatch {
    next: Option<Instant>,
    /// When all lanes were woken.
    woken: Option<Instant>,
    since: BTreeMap<TopicPartition, Instant>,
}

impl Control {
    /// Once a second, and never while a rebalance waits for its answer.
    pub(super) fn watch(&mut self) {
        let now = Instant::now();
        if self.watch.next.is_some_and(|next| now < next) || self.committer.is_busy() {
            return;
        }
        // While a commit is in flight librdkafka begins nothing: that is no stall.
        let was_busy = self.watch.next.is_some_and(|next| now > next + EVERY);
        self.watch.next = Some(now + EVERY);
        if was_busy || !self.rebalances.is_empty() {
            self.watch.since.clear();
        }
        if !self.rebalances.is_empty() || self.client.context().awaits_answer() {
            return;
        }
        // The safety net for a wake-up that was lost: none ever was, in millions of messages.
        let wakes = self.watch.woken.is_none_or(|woken| now - woken >= STALLED);
        if wakes {
            self.watch.woken = Some(now);
        }
        let mut stalled: Vec<StartAt> = Vec::new();
        for (tp, lane) in &self.lanes {
            if wakes {
                lane.wake();
            }
            if self.client.context().is_fetching(tp) != Some(false) {
                self.watch.since.remove(tp);
            } else if now - *self.watch.since.entry(tp.clone()).or_insert(now) > STALLED {
                self.watch.since.remove(tp);
                stalled.push((tp.clone(), Some(lane.position())));
            }
        }
        self.watch.since.retain(|tp, _| self.lanes.contains_key(tp));
        if stalled.is_empty() {
            return;
        }
        for (TopicPartition { topic, partition }, start) in &stalled {
            faststream_core::log::warn!(group = %self.request.group, %topic, partition, offset = start,
                "assigned and not fetching for {STALLED:?}: fetching begins again");
        }
        self.restart(stalled);
    }

    /// Logs that were made anew or cut: what is read from there on are other records, for a new lane.
    pub(super) fn handle_truncated(&mut self) {
        if !self.rebalances.is_empty() {
            return;
        }
        for (tp, lane) in &self.lanes {
            let Some(start) = lane.truncated() else { continue };
            let TopicPartition { topic, partition } = tp;
            faststream_core::log::warn!(group = %self.request.group, %topic, partition, offset = start, expected = lane.position(),
                "the log began again before what was read: it was made anew or cut, and is handled from there on");
            drop(lane.fence());
            let kind = Revoke::Truncated(start);
            self.rebalances.push_back(Rebalance::Revoke {
                partitions: vec![tp.clone()],
                kind,
                id: None,
                answered: None,
            });
        }
    }
}
