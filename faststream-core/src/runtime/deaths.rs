//! Deaths of partition tasks: where, and how often in a row.
//!
//! The user's code is guarded, so a task dies only of an unforeseen fault. The record that it worked at may be the
//! cause. That counts as a failed attempt of the record, so that its attempts are used up and its policy decides.
//! Otherwise a record that kills its task would stop the partition forever.
//!
//! Pure bookkeeping of one membership. `group.rs` decides when the lane is opened again.

use crate::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::member_status::DyingPartition;

/// After this long without a death, a partition counts as sound. The longest pause before it is opened again is 30 s.
const SOUND: Duration = Duration::from_secs(90);

/// The deaths of the last 90 s, by partition. They outlive the lane, because the next lane has to know them.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// The partitions whose task has died.
    known: BTreeMap<TopicPartition, Known>,
}

/// The deaths of one partition's tasks.
#[derive(Debug)]
struct Known {
    /// The handler of the partition, for the status.
    handler: Arc<str>,
    /// How often a task died, without 90 s between two deaths.
    in_a_row: u32,
    /// When a task died last.
    last: Instant,
    /// The record that the task worked at when it died last, and how often in a row it died there. `None` if it
    /// never worked at one.
    record: Option<(i64, u32)>,
}

impl Deaths {
    /// Records that a partition's task died while it worked at this record (`None`: at no record). Returns how
    /// often it died in a row.
    pub(super) fn add(
        &mut self,
        now: Instant,
        tp: &TopicPartition,
        handler: &Arc<str>,
        at: Option<i64>,
    ) -> u32 {
        let new = || Known { handler: Arc::clone(handler), in_a_row: 0, last: now, record: None };
        let known = self.known.entry(tp.clone()).or_insert_with(new);
        known.in_a_row = known.in_a_row.saturating_add(1);
        known.last = now;
        // A death elsewhere says nothing about the record of an earlier death.
        if let Some(at) = at {
            let before = known.record.filter(|(offset, _)| *offset == at).map_or(0, |(_, times)| times);
            known.record = Some((at, before.saturating_add(1)));
        }
        known.in_a_row
    }

    /// Returns the record at which tasks of this partition died, and how many died. The next lane counts them as
    /// failed attempts of that record.
    pub(super) fn at_record(&self, tp: &TopicPartition) -> Option<(i64, u32)> {
        self.known.get(tp)?.record
    }

    /// Forgets old deaths. Returns true if there were any.
    pub(super) fn forget(&mut self, now: Instant) -> bool {
        let before = self.known.len();
        self.known.retain(|_, known| now - known.last < SOUND);
        self.known.len() < before
    }

    /// Returns the partitions whose task died more than once.
    pub(super) fn in_a_row(&self) -> Vec<DyingPartition> {
        let dying = self.known.iter().filter(|(_, known)| known.in_a_row > 1);
        let partition = |(tp, known): (&TopicPartition, &Known)| DyingPartition {
            handler: Arc::clone(&known.handler),
            topic: Arc::clone(&tp.topic),
            partition: tp.partition,
            offset: known.record.map(|(offset, _)| offset),
            deaths: known.in_a_row,
        };
        dying.map(partition).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn deaths_at_one_record_are_counted_until_another_one_is_the_cause() {
        let (mut deaths, now) = (Deaths::default(), Instant::now());
        let tp = TopicPartition { topic: "orders".into(), partition: 3 };
        let handler: Arc<str> = "bill".into();
        for (at, counted) in
            [(Some(7), (7, 1)), (Some(7), (7, 2)), (None, (7, 2)), (Some(7), (7, 3)), (Some(9), (9, 1))]
        {
            deaths.add(now, &tp, &handler, at);
            assert_eq!(deaths.at_record(&tp), Some(counted));
        }
        let dying = deaths.in_a_row();
        assert_eq!((dying[0].deaths, dying[0].offset), (5, Some(9)));
        assert!(!deaths.forget(now + SOUND / 2) && deaths.forget(now + SOUND));
        assert_eq!(deaths.at_record(&tp), None);
    }
}
