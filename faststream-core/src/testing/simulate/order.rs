//! The order of copies: results, copies for retry topics, dead letters of a partition, or of a key.
//!
//! What was on its way when a copy was refused may arrive before it, nothing that was handed over later. Copies are told
//! apart by their content: what several records may have left is nobody's, and proves nothing.

use super::checker::Model;
use super::log_index::LogIndex;
use super::model::LaneModel;
use super::promise::Promise;
use super::record::{Left, RecordEnd, RecordModel};
use crate::broker::Epoch;
use crate::record::Outgoing;

/// Where a record's copies are, by the numbers of what happened.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct CopyOrder {
    /// They cannot have been handed over before: their call ended, or they were refused.
    not_before: u64,
    /// They were refused, and did not arrive since.
    refused: Option<u64>,
}

impl CopyOrder {
    /// A call ended: whatever comes of it is new.
    pub(super) fn decided(&mut self, number: u64) {
        *self = Self { not_before: number, refused: None };
    }
}

impl Model {
    /// The number of what happens now.
    pub(super) fn number(&mut self) -> u64 {
        self.happened += 1;
        self.happened
    }

    /// A copy was refused, for now or for good.
    pub(super) fn copy_refused(&mut self, copy: &Outgoing) {
        let number = self.number();
        let Some((lane, offset)) = self.surely_of(copy) else { return };
        if let Some(record) = self.lanes.get_mut(&lane).and_then(|lane| lane.records.get_mut(&offset)) {
            record.order = CopyOrder { not_before: number, refused: Some(number) };
        }
    }

    /// A copy is there: nothing before it, in its order, was refused when it was handed over, and is not there yet.
    pub(super) fn copy_came(&mut self, copy: &Outgoing) {
        let Some((lane, offset)) = self.surely_of(copy) else { return };
        let Some(model) = self.lanes.get_mut(&lane) else { return };
        let Some(record) = model.records.get_mut(&offset) else { return };
        record.order.refused = None;
        let not_before = record.order.not_before;
        let overtakes = |(other, record): (i64, &RecordModel)| {
            let refused = record.order.refused.is_some_and(|refused| refused < not_before);
            other < offset && refused && model.waits_for_its_copies(other, record, &self.log_index)
        };
        let Some(before) = model.neighbours(offset, &self.log_index).find(|other| overtakes(*other)) else {
            return;
        };
        let message = format!(
            "{}, offset {offset}, handler {}: its copy came to {} although it was handed over after the one of offset {} was \
             refused, which is not there yet (lane {})",
            model.name(),
            model.subscriber.handler,
            copy.topic,
            before.0,
            model.number
        );
        self.violated(Promise::Order, message);
    }

    /// The one record that this may be a copy of, in an assignment that is not over.
    fn surely_of(&self, copy: &Outgoing) -> Option<(Epoch, i64)> {
        let (number, offset) = self.log_index.only_claimant(copy)?;
        let (epoch, _) = self.lanes.iter().find(|(_, lane)| lane.number == number && !lane.over)?;
        Some((*epoch, offset))
    }
}

impl LaneModel {
    /// Whether its copies were refused, and what is behind them has to wait.
    pub(super) fn is_refused(&self, offset: i64, log_index: &LogIndex) -> bool {
        let record = self.records.get(&offset);
        record.is_some_and(|record| {
            record.order.refused.is_some() && self.waits_for_its_copies(offset, record, log_index)
        })
    }

    fn waits_for_its_copies(&self, offset: i64, record: &RecordModel, log_index: &LogIndex) -> bool {
        if record.open || record.acked || self.left(offset, log_index) == Left::Nothing {
            return false;
        }
        // Somebody's are there: they may be its own.
        let dead_letter = self.dead_letter(offset, log_index);
        let came = match &record.last {
            Some(RecordEnd::Published(copies, before)) => log_index.came(copies, before),
            _ => false,
        };
        let came = came || record.step.is_some_and(|(step, before)| log_index.came(&[step], &before));
        !came && !log_index.came(&[dead_letter], &record.letters)
    }
}
