//! Data that brokers delete: offsets that are not committed again, and records before they are read.
//!
//! 1. *Offsets.* In a KIP-848 group without members, a broker forgets each offset by its age
//!    (`offsets.retention.minutes`, a week by default). A partition without new records would lose its offset with
//!    the first long shutdown of the group, and begin anew. So all offsets are committed again four times within
//!    that time, and at least once an hour.
//! 2. *Records.* If the topic's retention time deletes records before they are read, librdkafka continues at the
//!    beginning of the log, and logs a line. The beginning is then asked for, to report how many records are gone,
//!    and to move the lane's offset past them.
//!
//! Part of the control thread, which never waits here. Only `ask` blocks, on the thread that searches for topics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use faststream_core::TopicPartition;
use faststream_core::broker::Event;
use rdkafka::metadata::Metadata;

use super::client::ConsumerClient;
use super::partitions::Partitions;
use crate::native::{AdminQueue, Answer, End};

/// The longest time between two such commits, and the one that is used if the broker's setting is unknown.
const EVERY: Duration = Duration::from_secs(3600);
/// How often they are committed again within the broker's retention time.
const TIMES: u32 = 4;
/// How long a broker may take to answer. Then the question is dropped.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The broker's setting, in minutes.
const SETTING: &str = "offsets.retention.minutes";

/// Returns how often an unchanged offset is committed again: KIP-848 groups lose it by its age once their members are
/// gone.
fn interval(kept: Option<Duration>) -> Duration {
    kept.map_or(EVERY, |kept| (kept / TIMES).clamp(Duration::from_secs(1), EVERY))
}

/// Asks a broker how long it keeps offsets. Waits for the answer, 5 s at most. `None` if the broker does not
/// answer, or if this user may not describe its configuration.
pub(super) fn ask(client: &Arc<ConsumerClient>, cluster: &Metadata) -> Option<Duration> {
    let queue = AdminQueue::new(client.handle())?;
    let broker = cluster.brokers().first()?.id();
    queue.ask_setting(0, broker, TIMEOUT).ok()?;
    let (_, answer) = queue.next(TIMEOUT)?;
    let Answer::Settings(settings) = answer else { return None };
    let minutes: u64 = settings.get(SETTING)?.parse().ok()?;
    Some(Duration::from_secs(minutes.saturating_mul(60)))
}

/// Handles the data that brokers delete. Owned by the control thread.
pub(super) struct Retention {
    /// When all offsets were committed again last.
    refreshed: Instant,
    /// The positions that could not be read, as record offsets. The index is the number of the question, so
    /// entries stay.
    out_of_range: Vec<(TopicPartition, i64)>,
    /// The queue of the answers; `None` before the first question.
    queue: Option<AdminQueue>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { refreshed: Instant::now(), out_of_range: Vec::new(), queue: None }
    }
}

impl Retention {
    /// Commits all offsets again if it is time: marks them as uncommitted. Call it before a commit.
    pub(super) fn refresh_offsets(&mut self, client: &ConsumerClient, partitions: &Partitions) {
        if self.refreshed.elapsed() < interval(client.offsets_kept()) {
            return;
        }
        self.refreshed = Instant::now();
        partitions.lanes().for_each(|lane| lane.commit_again());
    }

    /// Handles a position that does not exist: records before the log's beginning are deleted, or it is another
    /// log. Asks the leader where the log begins, and returns at once. If the question cannot be put, nothing is
    /// reported.
    pub(super) fn out_of_range(&mut self, client: &Arc<ConsumerClient>, tp: TopicPartition, at: i64) {
        if self.queue.is_none() {
            self.queue = AdminQueue::new(client.handle());
        }
        let number = self.out_of_range.len();
        let ask = |queue: &AdminQueue| {
            queue.ask_offset(number, (&tp.topic, tp.partition), End::Beginning, TIMEOUT).is_ok()
        };
        if self.queue.as_ref().is_some_and(ask) {
            self.out_of_range.push((tp, at));
        }
    }

    /// Returns how many records are deleted, as soon as that is known. Never waits. A log that begins at or before
    /// the position has lost nothing: it was truncated or recreated, which the lane notices by itself.
    pub(super) fn expired(&mut self, partitions: &Partitions) -> Vec<Event> {
        let mut expired = Vec::new();
        while let Some((number, answer)) = self.queue.as_ref().and_then(|queue| queue.next(Duration::ZERO)) {
            if let (Some((tp, from)), Answer::Offset(to)) = (self.out_of_range.get(number), answer)
                && let Some(lane) = partitions.lane(tp).filter(|_| to > *from)
            {
                lane.pass_expired(*from, to);
                expired.push(Event::Expired { lane: lane.epoch, from: *from, to });
            }
        }
        expired
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
