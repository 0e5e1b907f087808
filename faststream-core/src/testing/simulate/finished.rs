//! Which records of a lane are finished, by what its calls left to do and by the copies that the logs hold.

use std::sync::Arc;

use super::content::{Content, Origin};
use super::log_index::{Claimant, LogIndex, Proof};
use super::model::LaneModel;
use super::record::{Copied, Left, RecordEnd};
use crate::policy::AckPolicy;

impl LaneModel {
    /// Returns the identity of a record, for sets of records over all lanes.
    pub(super) fn origin(&self, offset: i64) -> Origin {
        let (group, handler) = (Arc::clone(&self.group), Arc::clone(&self.subscriber.handler.name));
        Origin { group, handler, tp: self.tp.clone(), offset }
    }

    /// Returns the content of a record's dead letter, which names the partition that it was read from first.
    pub(super) fn dead_letter(&self, offset: i64, log_index: &LogIndex) -> Content {
        let (tp, offset) = log_index.original(&self.tp, offset);
        Content::of_dead_letter(&Origin { tp, offset, ..self.origin(offset) })
    }

    /// Notes which copies may come of a record from now on, after a call ended. Nothing is expected if another
    /// call, or nothing, is left to do.
    pub(super) fn expect_copies(&mut self, offset: i64, log_index: &mut LogIndex) {
        if matches!(self.left(offset, log_index), Left::Nothing | Left::Attempt(_) | Left::Help) {
            return;
        }
        let (claimant, dead_letter) = (self.claimant(offset), self.dead_letter(offset, log_index));
        let Some(record) = self.records.get_mut(&offset) else { return };
        if let Some(RecordEnd::Published(copies, _)) = &record.last {
            record.may_leave.extend(copies);
        }
        record.may_leave.extend(record.step.map(|(step, _)| step));
        record.may_leave.push(dead_letter);
        log_index.expect(&record.may_leave, claimant);
    }

    /// Returns the record as a source of copies.
    fn claimant(&self, offset: i64) -> Claimant {
        (self.number, offset)
    }

    /// Returns whether nothing is left to do for a record. From then on it counts on the copies in the logs that
    /// finished it.
    ///
    /// `proof` decides how sure it has to be that these copies are its own.
    pub(super) fn is_finished(&mut self, offset: i64, log_index: &mut LogIndex, proof: Proof) -> bool {
        if self.records.get(&offset).is_some_and(|record| record.finished) {
            return true;
        }
        let claimant = self.claimant(offset);
        // An accepted `Ack` counts at once, whatever the outcome of the call; results come first.
        let (record, by_hand) = (self.records.get(&offset), self.subscriber.handler.ack == AckPolicy::Manual);
        let is_acked = by_hand && record.is_some_and(|record| record.is_acked(self.publishes(), log_index));
        let (mut finished, mut ended_in) = if is_acked {
            (true, None)
        } else {
            match (self.left(offset, log_index), record) {
                (Left::Nothing, _) => (true, None),
                (Left::DeadLetter(_), Some(record)) => {
                    let dead_letter = self.dead_letter(offset, log_index);
                    let claimed = log_index.claim(&[dead_letter], &record.letters, claimant, proof);
                    (claimed, Some(Copied::DeadLetter))
                }
                (Left::RetryCopy(_), Some(record)) => {
                    let claimed = record
                        .step
                        .is_some_and(|(step, before)| log_index.claim(&[step], &before, claimant, proof));
                    (claimed, Some(Copied::RetryCopy))
                }
                _ => (false, None),
            }
        };
        // Results in the logs count, even if equal ones were refused meanwhile, unless the record moved on.
        let record = self.records.get(&offset).filter(|record| (is_acked || !finished) && !record.open);
        let record = record.filter(|record| !by_hand || record.acked);
        if let Some(RecordEnd::Published(copies, before)) = record.and_then(|record| record.last.as_ref())
            && !copies.is_empty()
            && log_index.claim(copies, before, claimant, proof)
        {
            (finished, ended_in) = (true, None);
        }
        if finished && let Some(record) = self.records.get_mut(&offset) {
            (record.finished, record.ended_in) = (true, ended_in);
            log_index.expect_no_more(&std::mem::take(&mut record.may_leave), claimant);
        }
        finished
    }
}
