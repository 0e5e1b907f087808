//! The model of the broker's logs: records by position, copies by content, and the records that may have left
//! them.
//!
//! A record is finished by a copy (a result, a retry copy, a dead letter) only if that copy is in its topic. The
//! runtime knows by the broker's answer. From outside a copy is only its content, and two records may leave equal
//! copies: two orders with the same invoice, or a record that is handled again after a crash. So copies are
//! counted:
//! 1. When a call ends, the model notes how many of its copies are in the logs (`Before`). Only later ones can be
//!    its own.
//! 2. While the record is unfinished, it is expected to leave more of them (`expected`).
//! 3. When enough have arrived that no other finished record needs, the record is finished and counts on them
//!    (`claimed`). Two records never count on one copy.
//!
//! A permissive check asks whether a copy may be the record's own (`Proof::Assumed`). A strict one, which demands
//! something of the runtime, asks whether it can be nobody else's (`Proof::Sure`).

use crate::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::content::{Content, origin};
use super::history::{CopyStep, History};
use crate::record::Outgoing;

/// A record in one assignment, as a source of copies: the lane's number and the record offset. Handled again in
/// another assignment, it leaves more copies.
pub(super) type Claimant = (usize, i64);

/// How sure it has to be that a copy in the logs is a record's own: another record, or the same one in another
/// assignment, may leave an equal copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It may be its own. Enough to allow what the runtime does.
    Assumed,
    /// No other record may have left it. Needed to demand something of the runtime.
    Sure,
}

/// The content of the logs, and who counts on which copies.
#[derive(Debug, Default)]
pub(super) struct LogIndex {
    /// All records, by partition. The index is the offset: the index observes a log from its first record on.
    logs: BTreeMap<TopicPartition, Vec<Logged>>,
    /// The counts of each content that was appended, refused or expected.
    copies: BTreeMap<Content, Count>,
}

/// A record in a log.
#[derive(Debug)]
struct Logged {
    /// Its key, for `order = Key`.
    key: Option<Bytes>,
    /// Its past, if it is a retry copy.
    history: Option<History>,
    /// What stays the same from stage to stage.
    content: Content,
}

/// How many copies of one content there are, and who counts on them.
#[derive(Debug, Default)]
struct Count {
    /// How many are in the logs.
    there: u64,
    /// How many the broker refused for good.
    refused: u64,
    /// The finished records that count on copies, and on how many.
    claimed: BTreeMap<Claimant, u64>,
    /// The unfinished records that may have left copies, or may still do so.
    expected: BTreeSet<Claimant>,
}

/// What was in the logs of some copies when a call ended. Only what came later can be due to it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    /// How many there were.
    there: u64,
    /// How many had been refused for good.
    refused: u64,
}

impl LogIndex {
    /// Adds a record that was appended to a log.
    pub(super) fn appended(&mut self, partition: i32, offset: i64, record: &Outgoing) {
        let log = self.logs.entry(TopicPartition::new(Arc::clone(&record.topic), partition)).or_default();
        debug_assert_eq!(i64::try_from(log.len()), Ok(offset), "the log was watched from its first record");
        let (history, content) = (History::of(record), Content::kept_over_retry_topics(record));
        log.push(Logged { key: record.key.clone(), history, content });
        self.count(record).there += 1;
    }

    /// Counts a record that the broker refused for good.
    pub(super) fn refused(&mut self, record: &Outgoing) {
        self.count(record).refused += 1;
    }

    /// Returns the counts of a record's content.
    fn count(&mut self, record: &Outgoing) -> &mut Count {
        self.copies.entry(Self::content(record)).or_default()
    }

    /// Returns the content of a record: as a dead letter if it has the headers of one, else as a retry copy, else
    /// as it is.
    fn content(record: &Outgoing) -> Content {
        let dead_letter = origin(record).map(|origin| Content::of_dead_letter(&origin));
        dead_letter.or_else(|| Self::step_of(record)).unwrap_or_else(|| Content::of(record))
    }

    /// Returns the only record that may have left this copy; `None` if there are several, or none.
    pub(super) fn only_claimant(&self, copy: &Outgoing) -> Option<Claimant> {
        let mut expected = self.copies.get(&Self::content(copy))?.expected.iter();
        expected.next().copied().filter(|_| expected.next().is_none())
    }

    /// Returns the content of this record as a retry copy; `None` if it is none.
    pub(super) fn step_of(record: &Outgoing) -> Option<Content> {
        let history = History::of(record)?;
        Some(Content::of_step(
            &history.step(Arc::clone(&record.topic)),
            Content::kept_over_retry_topics(record),
        ))
    }

    /// Returns the content of the copy that a record in a log leaves in the retry topic `next`, after `attempts`
    /// attempts in all. `None` if the record is not in the logs.
    pub(super) fn next_step(
        &self,
        tp: &TopicPartition,
        offset: i64,
        next: Arc<str>,
        attempts: u32,
    ) -> Option<Content> {
        let logged = self.logged(tp, offset)?;
        let (original, at) = self.original(tp, offset);
        Some(Content::of_step(&CopyStep { topic: next, original, at, attempts }, logged.content))
    }

    /// Returns where a record was read first: the partition and the record offset. Those of the record itself,
    /// unless it is a retry copy.
    pub(super) fn original(&self, tp: &TopicPartition, offset: i64) -> (TopicPartition, i64) {
        self.history(tp, offset)
            .map_or_else(|| (tp.clone(), offset), |history| (history.original.clone(), history.at))
    }

    /// Returns the past of a record in a retry topic.
    pub(super) fn history(&self, tp: &TopicPartition, offset: i64) -> Option<&History> {
        self.logged(tp, offset)?.history.as_ref()
    }

    /// Returns the offset behind the last record of a partition; 0 if it has none.
    pub(super) fn end(&self, tp: &TopicPartition) -> i64 {
        self.logs.get(tp).map_or(0, |log| i64::try_from(log.len()).unwrap_or(i64::MAX))
    }

    /// Returns a record's key.
    pub(super) fn key(&self, tp: &TopicPartition, offset: i64) -> Option<&Bytes> {
        self.logged(tp, offset)?.key.as_ref()
    }

    /// Returns a record; `None` if it is not in the logs.
    fn logged(&self, tp: &TopicPartition, offset: i64) -> Option<&Logged> {
        self.logs.get(tp)?.get(usize::try_from(offset).ok()?)
    }

    /// Returns the partitions that have a record.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.logs.keys()
    }

    /// Returns what is in the logs of these copies now, to be compared later.
    pub(super) fn copies_now(&self, copies: &[Content]) -> Before {
        let known = || copies.iter().filter_map(|copy| self.copies.get(copy));
        Before {
            there: known().map(|count| count.there).sum(),
            refused: known().map(|count| count.refused).sum(),
        }
    }

    /// Returns whether one of these copies was refused for good since `before`.
    pub(super) fn was_refused(&self, copies: &[Content], before: &Before) -> bool {
        self.copies_now(copies).refused > before.refused
    }

    /// Returns whether at least one of these copies was appended since `before`.
    pub(super) fn came(&self, copies: &[Content], before: &Before) -> bool {
        self.copies_now(copies).there > before.there
    }

    /// Notes that this unfinished record may leave these copies.
    pub(super) fn expect(&mut self, copies: &[Content], record: Claimant) {
        for copy in copies {
            self.copies.entry(*copy).or_default().expected.insert(record);
        }
    }

    /// Notes that this record is finished, so it leaves no further copies.
    pub(super) fn expect_no_more(&mut self, copies: &[Content], record: Claimant) {
        for copy in copies {
            self.copies.entry(*copy).or_default().expected.remove(&record);
        }
    }

    /// Returns whether each of these copies came since `before`, and enough of them are left that no other
    /// finished record counts on. From then on this one counts on them.
    ///
    /// Asking again for the same record changes nothing. With `Proof::Sure`, copies that another unfinished record
    /// may have left do not count.
    pub(super) fn claim(
        &mut self,
        copies: &[Content],
        before: &Before,
        record: Claimant,
        proof: Proof,
    ) -> bool {
        let may_be_of_another = |copy: &Content| {
            self.copies.get(copy).is_some_and(|count| count.expected.iter().any(|other| *other != record))
        };
        if proof == Proof::Sure && copies.iter().any(may_be_of_another) {
            return false;
        }
        let mut needed = BTreeMap::<Content, u64>::new();
        for copy in copies {
            *needed.entry(*copy).or_default() += 1;
        }
        let free = |copy: &Content| {
            self.copies.get(copy).map_or(0, |count| {
                let others = count.claimed.iter().filter(|(claimant, _)| **claimant != record);
                count.there.saturating_sub(others.map(|(_, times)| times).sum())
            })
        };
        if !self.came(copies, before) || needed.iter().any(|(copy, times)| free(copy) < *times) {
            return false;
        }
        for (copy, times) in needed {
            self.copies.entry(copy).or_default().claimed.insert(record, times);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A result in the log, and what was known of it before.
    fn append(log_index: &mut LogIndex, offset: i64) -> ([Content; 1], Before) {
        let result = Outgoing::new("out", "1");
        let copies = [Content::of(&result)];
        let before = log_index.copies_now(&copies);
        log_index.appended(0, offset, &result);
        (copies, before)
    }

    #[test]
    fn a_record_that_is_handled_again_counts_on_what_it_left_before_as_well() {
        let mut log_index = LogIndex::default();
        let (first, again, other) = ((1, 0), (2, 0), (3, 0));
        let (copies, before) = append(&mut log_index, 0);
        assert!(log_index.claim(&copies, &before, first, Proof::Assumed));
        let (_, before) = append(&mut log_index, 1);
        assert!(log_index.claim(&copies, &before, again, Proof::Assumed));
        assert!(log_index.claim(&copies, &before, again, Proof::Assumed), "looked at again, it still does");
        assert!(!log_index.claim(&copies, &before, other, Proof::Assumed), "both are the first record's");
        append(&mut log_index, 2);
        assert!(log_index.claim(&copies, &before, other, Proof::Assumed));
    }

    #[test]
    fn a_copy_that_another_record_may_have_left_is_surely_nobodys_until_that_one_is_finished() {
        let mut log_index = LogIndex::default();
        let (one, other) = ((1, 0), (2, 0));
        let (copies, before) = append(&mut log_index, 0);
        log_index.expect(&copies, one);
        log_index.expect(&copies, other);
        assert!(!log_index.claim(&copies, &before, one, Proof::Sure));
        assert!(!log_index.claim(&copies, &before, other, Proof::Sure));
        assert!(log_index.claim(&copies, &before, one, Proof::Assumed), "the runtime knows");
        log_index.expect_no_more(&copies, one);
        assert!(!log_index.claim(&copies, &before, other, Proof::Sure), "it is the first one's");
        append(&mut log_index, 1);
        assert!(log_index.claim(&copies, &before, other, Proof::Sure));
    }
}
