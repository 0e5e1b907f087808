//! The order of copies: results, retry copies and dead letters of a partition, or of a key.
//!
//! The producer keeps the order of the copies that it is handed. The hard case is a refusal: copies that were on
//! their way then may still arrive before the refused one is repeated, but none may that is handed over later. So
//! each record remembers two numbers of the run's sequence of events: when its copies were decided, and when they
//! were refused. A copy that arrives breaks the order if an earlier record's copy was refused before this one was
//! decided, and has not arrived.
//!
//! Copies are distinguished by their content. A copy that several records may have left is attributed to none, and
//! proves nothing.

use super::checker::Model;
use super::log_index::LogIndex;
use super::model::LaneModel;
use super::promise::Promise;
use super::record::{Left, RecordEnd, RecordModel};
use crate::broker::Epoch;
use crate::record::Outgoing;

/// The state of a record's copies, in numbers of the sequence of events.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct CopyOrder {
    /// The event before which they cannot have been handed over: their call ended, or they were refused.
    not_before: u64,
    /// When they were refused; `None` if they were not, or have arrived since.
    refused: Option<u64>,
}

impl CopyOrder {
    /// Notes that a call ended with this event: all its copies are new.
    pub(super) fn decided(&mut self, number: u64) {
        *self = Self { not_before: number, refused: None };
    }
}

impl Model {
    /// Returns the number of the next event of the sequence.
    pub(super) fn number(&mut self) -> u64 {
        self.happened += 1;
        self.happened
    }

    /// Notes that a copy was refused, for now or for good.
    pub(super) fn copy_refused(&mut self, copy: &Outgoing) {
        let number = self.number();
        let Some((lane, offset)) = self.surely_of(copy) else { return };
        if let Some(record) = self.lanes.get_mut(&lane).and_then(|lane| lane.records.get_mut(&offset)) {
            record.order = CopyOrder { not_before: number, refused: Some(number) };
        }
    }

    /// Checks a copy that arrived: no record before it, in its order, waits for a copy that was refused before
    /// this one was handed over.
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
            model.subscriber.handler.name,
            copy.topic,
            before.0,
            model.number
        );
        self.violated(Promise::Order, message);
    }

    /// Returns the one record that left this copy, by lane and record offset, in an assignment that has not ended.
    /// `None` if that is not certain.
    fn surely_of(&self, copy: &Outgoing) -> Option<(Epoch, i64)> {
        let (number, offset) = self.log_index.only_claimant(copy)?;
        let (epoch, _) = self.lanes.iter().find(|(_, lane)| lane.number == number && !lane.over)?;
        Some((*epoch, offset))
    }
}

impl LaneModel {
    /// Returns whether the copies of a record were refused and have not arrived, so that later records of its
    /// order wait.
    pub(super) fn is_refused(&self, offset: i64, log_index: &LogIndex) -> bool {
        let record = self.records.get(&offset);
        record.is_some_and(|record| {
            record.order.refused.is_some() && self.waits_for_its_copies(offset, record, log_index)
        })
    }

    /// Returns whether a record still needs copies that have not arrived. Equal copies of others count as its own
    /// here, which favours the runtime.
    fn waits_for_its_copies(&self, offset: i64, record: &RecordModel, log_index: &LogIndex) -> bool {
        if record.open || record.acked || self.left(offset, log_index) == Left::Nothing {
            return false;
        }
        // Equal copies that came may be its own.
        let dead_letter = self.dead_letter(offset, log_index);
        let came = match &record.last {
            Some(RecordEnd::Published(copies, before)) => log_index.came(copies, before),
            _ => false,
        };
        let came = came || record.step.is_some_and(|(step, before)| log_index.came(&[step], &before));
        !came && !log_index.came(&[dead_letter], &record.letters)
    }
}
