//! What brokers forget: offsets that are not committed again, and records before they are read.

use faststream_core::TopicPartition;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faststream_core::broker::Event;
use rdkafka::metadata::Metadata;

use super::client::ConsumerClient;
use super::control::Control;
use crate::native::{AdminQueue, Answer, End};

/// How often offsets are committed again, at most.
const EVERY: Duration = Duration::from_secs(3600);
/// So often within what the broker keeps them for.
const TIMES: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(5);
/// The broker's setting, in minutes.
const SETTING: &str = "offsets.retention.minutes";

/// How often an offset is committed again though it did not move: KIP-848 groups lose it by its age once their members are
/// gone.
fn interval(kept: Option<Duration>) -> Duration {
    kept.map_or(EVERY, |kept| (kept / TIMES).clamp(Duration::from_secs(1), EVERY))
}

/// Asks a broker for how long it keeps offsets. Waits for the answer.
pub(super) fn ask(client: &Arc<ConsumerClient>, cluster: &Metadata) -> Option<Duration> {
    let queue = AdminQueue::new(client)?;
    let broker = cluster.brokers().first()?.id();
    queue.ask_setting(0, broker, TIMEOUT).ok()?;
    let (_, answer) = queue.next(TIMEOUT)?;
    let Answer::Settings(settings) = answer else { return None };
    let minutes: u64 = settings.get(SETTING)?.parse().ok()?;
    Some(Duration::from_secs(minutes.saturating_mul(60)))
}

/// Looks after what brokers forget.
pub(super) struct Retention {
    /// When all offsets were committed again last.
    refreshed: Instant,
    /// Where reading could not go on, until the log's beginning is known.
    out_of_range: Vec<(TopicPartition, i64)>,
    queue: Option<AdminQueue>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { refreshed: Instant::now(), out_of_range: Vec::new(), queue: None }
    }
}

impl Control {
    /// Lets all offsets be committed again if it is time to. To be called before a commit.
    pub(super) fn refresh_offsets(&mut self) {
        if self.retention.refreshed.elapsed() < interval(self.client.offsets_kept()) {
            return;
        }
        self.retention.refreshed = Instant::now();
        self.lanes.values().for_each(|lane| lane.commit_again());
    }

    /// What was to be read next is not there: records before the log's beginning are gone, or it is another log.
    pub(super) fn out_of_range(&mut self, tp: TopicPartition, at: i64) {
        self.topic_ids.look_soon();
        if self.retention.queue.is_none() {
            self.retention.queue = AdminQueue::new(&self.client);
        }
        let Some(queue) = &self.retention.queue else { return };
        let number = self.retention.out_of_range.len();
        if queue.ask_offset(number, (&tp.topic, tp.partition), End::Beginning, TIMEOUT).is_ok() {
            self.retention.out_of_range.push((tp, at));
        }
    }

    /// Tells how many records are gone, as soon as that is known. Never waits.
    pub(super) fn report_expired(&mut self) {
        while let Some((number, answer)) =
            self.retention.queue.as_ref().and_then(|queue| queue.next(Duration::ZERO))
        {
            let known = self.retention.out_of_range.get(number).cloned();
            let (Some((tp, from)), Answer::Offset(to)) = (known, answer) else { continue };
            let Some(lane) = self.lanes.get(&tp).filter(|_| to > from) else { continue };
            lane.pass_expired(from, to);
            let lane = lane.epoch;
            self.notify(Event::Expired { lane, from, to });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_committed_again_well_within_what_the_broker_keeps_them_for() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert_eq!(interval(None), EVERY);
        assert_eq!(interval(Some(minutes(7 * 24 * 60))), EVERY);
        assert_eq!(interval(Some(minutes(60))), minutes(15));
        assert_eq!(interval(Some(minutes(1))), Duration::from_secs(15));
        assert_eq!(interval(Some(Duration::ZERO)), Duration::from_secs(1));
    }
}
