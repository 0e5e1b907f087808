//! The order of copies: results, copies for retry topics, dead letters of a partition, or of a key.
//!
//! What was on its way when a copy was refused may arrive before it, nothing that was handed over later. Copies are told
//! apart by their content: what several records may have left is nobody's, and proves nothing.

use super::account::LaneAccount;
use super::checker::Account;
use super::evidence::Evidence;
use super::promise::Promise;
use super::record::{End, Left, RecordAccount};
use crate::broker::Epoch;
use crate::publish::Outgoing;

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

impl Account {
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
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let Some(record) = account.records.get_mut(&offset) else { return };
        record.order.refused = None;
        let not_before = record.order.not_before;
        let overtakes = |(other, record): (i64, &RecordAccount)| {
            let refused = record.order.refused.is_some_and(|refused| refused < not_before);
            other < offset && refused && account.waits_for_its_copies(other, record, &self.evidence)
        };
        let Some(before) = account.neighbours(offset, &self.evidence).find(|other| overtakes(*other)) else {
            return;
        };
        let sentence = format!(
            "{}, offset {offset}, handler {}: its copy came to {} although it was handed over after the one of offset {} was \
             refused, which is not there yet (lane {})",
            account.name(),
            account.subscriber.handler,
            copy.topic,
            before.0,
            account.number
        );
        self.violated(Promise::Order, sentence);
    }

    /// The one record that this may be a copy of, in an assignment that is not over.
    fn surely_of(&self, copy: &Outgoing) -> Option<(Epoch, i64)> {
        let (number, offset) = self.evidence.only_claimant(copy)?;
        let (epoch, _) = self.lanes.iter().find(|(_, lane)| lane.number == number && !lane.over)?;
        Some((*epoch, offset))
    }
}

impl LaneAccount {
    /// Whether its copies were refused, and what is behind them has to wait.
    pub(super) fn is_refused(&self, offset: i64, evidence: &Evidence) -> bool {
        let record = self.records.get(&offset);
        record.is_some_and(|record| {
            record.order.refused.is_some() && self.waits_for_its_copies(offset, record, evidence)
        })
    }

    fn waits_for_its_copies(&self, offset: i64, record: &RecordAccount, evidence: &Evidence) -> bool {
        if record.open || record.acked || self.left(offset, evidence) == Left::Nothing {
            return false;
        }
        // Somebody's are there: they may be its own.
        let letter = self.letter(offset, evidence);
        let came = match &record.last {
            Some(End::Published(copies, before)) => evidence.came(copies, before),
            _ => false,
        };
        let came = came || record.step.is_some_and(|(step, before)| evidence.came(&[step], &before));
        !came && !evidence.came(&[letter], &record.letters)
    }
}
