//! Pauses and seeks of single partitions, as the member requests them.

use faststream_core::TopicPartition;
use faststream_core::broker::Epoch;

use super::{Partition, Partitions};
use crate::consumer::offset_fetch::Begin;

impl Partitions {
    /// Opens the partition of this lane again at another offset, because the member seeks.
    pub(in crate::consumer) fn seek(&mut self, epoch: Epoch, next: i64) {
        let Some(lane) = self.with_epoch(epoch) else { return };
        let is_set_back = next < lane.stored();
        let topic_id = lane.topic_id().cloned();
        drop(self.end(&lane.tp));
        self.restart_at(lane.tp.clone(), Begin { next, topic_id, is_uncommitted: false, is_set_back });
    }

    /// Begins or ends a pause of the member. The client follows in its turn.
    pub(in crate::consumer) fn set_paused(&self, epoch: Epoch, is_paused: bool) {
        if let Some(lane) = self.with_epoch(epoch) {
            lane.set_paused(is_paused);
        }
    }

    /// Returns whether the client is to keep this partition paused.
    pub(in crate::consumer) fn is_paused(&self, tp: &TopicPartition) -> bool {
        matches!(self.all.get(tp), Some(Partition::Open(open)) if open.is_paused())
    }
}

#[cfg(test)]
mod tests {
    use faststream_core::broker::Lane;

    use super::*;
    use crate::consumer::offset_fetch::Starts;
    use crate::consumer::test_client;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("orders", partition)
    }

    /// Two partitions that begin at offset 7, and their lanes.
    fn open() -> (Partitions, Vec<Box<dyn Lane>>) {
        let begin = || Begin { next: 7, topic_id: None, is_uncommitted: false, is_set_back: false };
        let starts = Starts::from([(tp(0), begin()), (tp(1), begin())]);
        let mut partitions = Partitions::default();
        let lanes = partitions.open(&test_client(), &starts);
        (partitions, lanes)
    }

    #[test]
    fn a_pause_waits_for_the_client_and_ends_with_its_lane() {
        let (mut partitions, lanes) = open();
        partitions.set_paused(lanes[0].epoch(), true);
        assert!(!partitions.is_at_rest() && !partitions.is_paused(&tp(0)), "the client has yet to follow");
        for (_, open) in partitions.open_mut().filter(|(_, open)| open.is_to_change()) {
            assert!(open.change());
        }
        assert!(partitions.is_at_rest() && partitions.is_paused(&tp(0)) && !partitions.is_paused(&tp(1)));
        partitions.seek(lanes[0].epoch(), 9);
        assert_eq!(partitions.take_released(), [tp(0)], "it is resumed for its next lane");
        partitions.set_paused(lanes[0].epoch(), true);
        assert!(!partitions.is_paused(&tp(0)), "an epoch that is over changes nothing");
    }

    #[test]
    fn a_partition_that_is_paused_for_two_reasons_stays_paused_until_both_are_over() {
        let (mut partitions, lanes) = open();
        partitions.set_paused(lanes[0].epoch(), true);
        for (_, open) in partitions.open_mut().filter(|(_, open)| open.is_to_change()) {
            open.ahead.pause();
            open.change();
        }
        partitions.set_paused(lanes[0].epoch(), false);
        for (_, open) in partitions.open_mut() {
            assert!(!open.change());
        }
        assert!(partitions.is_paused(&tp(0)), "its memory is not free yet");
    }

    #[test]
    fn a_seek_begins_at_its_offset_and_says_whether_that_is_lower() {
        let (mut partitions, lanes) = open();
        partitions.seek(lanes[0].epoch(), 3);
        partitions.seek(lanes[1].epoch(), 9);
        assert!(!partitions.has_lanes());
        let restarts = partitions.take_restarts();
        let begins = restarts.values().map(|begin| (begin.next, begin.is_set_back, begin.is_uncommitted));
        assert_eq!(begins.collect::<Vec<_>>(), [(3, true, false), (9, false, false)]);
    }
}
