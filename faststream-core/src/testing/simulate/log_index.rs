//! What is in the broker's logs, as evidence: records by place, copies by content, and whose they may be.

use crate::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use super::history::{CopyStep, History};
use crate::record::Outgoing;

/// A copy by its content: what topic, key, payload and headers it has; a dead letter by its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Content(u64);

/// A dead letter by its origin: group, handler, topic, partition, offset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Origin {
    pub(super) group: Arc<str>,
    pub(super) handler: Arc<str>,
    pub(super) tp: TopicPartition,
    pub(super) offset: i64,
}

/// Who leaves copies, a record in one assignment: the lane's number, the offset. Handled again in another one, it leaves more.
pub(super) type Claimant = (usize, i64);

/// Why a copy that is there may be a record's own, where others leave the same: records that are handled again do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The runtime goes on as if it were: enough to allow that.
    Assumed,
    /// Nobody else may have left it: needed to ask that the runtime goes on.
    Sure,
}

/// What is in the logs, and who counted on it.
#[derive(Debug, Default)]
pub(super) struct LogIndex {
    /// All records, by place and offset.
    logs: BTreeMap<TopicPartition, Vec<Logged>>,
    copies: BTreeMap<Content, Count>,
}

/// A record in a log.
#[derive(Debug)]
struct Logged {
    key: Option<Bytes>,
    /// What it says of earlier stages, if it is in a retry topic.
    history: Option<History>,
    /// What stays the same from stage to stage.
    content: Content,
}

/// How many of a copy there are, and how often it was refused for good.
#[derive(Debug, Default)]
struct Count {
    there: u64,
    refused: u64,
    /// The finished records that count on some of them.
    claimed: BTreeMap<Claimant, u64>,
    /// The unfinished ones that may have left some, or may yet.
    expected: BTreeSet<Claimant>,
}

/// What was known of copies when a call ended: only what came later is due to it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    there: u64,
    refused: u64,
}

impl Content {
    pub(super) fn of(record: &Outgoing) -> Self {
        let mut hasher = DefaultHasher::new();
        (&record.topic, &record.key, &record.payload, &record.headers).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// What a record keeps when it goes on in a retry topic: all but what retry topics add.
    fn kept_over_retry_topics(record: &Outgoing) -> Self {
        let mut hasher = DefaultHasher::new();
        (&record.key, &record.payload).hash(&mut hasher);
        let own = record.headers.iter().filter(|(name, _)| !name.starts_with(b"retry-"));
        own.for_each(|header| header.hash(&mut hasher));
        Self(hasher.finish())
    }

    pub(super) fn of_dead_letter(origin: &Origin) -> Self {
        let mut hasher = DefaultHasher::new();
        origin.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The copy of a record in a retry topic, whatever it says of times and errors.
    fn of_step(step: &CopyStep, content: Self) -> Self {
        let mut hasher = DefaultHasher::new();
        (step, content).hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl LogIndex {
    pub(super) fn appended(&mut self, partition: i32, offset: i64, record: &Outgoing) {
        let log = self.logs.entry(TopicPartition::new(Arc::clone(&record.topic), partition)).or_default();
        debug_assert_eq!(i64::try_from(log.len()), Ok(offset), "the log was watched from its first record");
        let (history, content) = (History::of(record), Content::kept_over_retry_topics(record));
        log.push(Logged { key: record.key.clone(), history, content });
        self.count(record).there += 1;
    }

    pub(super) fn refused(&mut self, record: &Outgoing) {
        self.count(record).refused += 1;
    }

    fn count(&mut self, record: &Outgoing) -> &mut Count {
        self.copies.entry(Self::content(record)).or_default()
    }

    fn content(record: &Outgoing) -> Content {
        let dead_letter = origin(record).map(|origin| Content::of_dead_letter(&origin));
        dead_letter.or_else(|| Self::step_of(record)).unwrap_or_else(|| Content::of(record))
    }

    /// The only record that may have left this copy, if there is just one.
    pub(super) fn only_claimant(&self, copy: &Outgoing) -> Option<Claimant> {
        let mut expected = self.copies.get(&Self::content(copy))?.expected.iter();
        expected.next().copied().filter(|_| expected.next().is_none())
    }

    /// Which step through retry topics this record is; `None` if it is none.
    pub(super) fn step_of(record: &Outgoing) -> Option<Content> {
        let history = History::of(record)?;
        Some(Content::of_step(
            &history.step(Arc::clone(&record.topic)),
            Content::kept_over_retry_topics(record),
        ))
    }

    /// The copy that a record in a log leaves in the next retry topic, after so many attempts in all.
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

    /// Where a record was read first.
    pub(super) fn original(&self, tp: &TopicPartition, offset: i64) -> (TopicPartition, i64) {
        self.history(tp, offset)
            .map_or_else(|| (tp.clone(), offset), |history| (history.original.clone(), history.at))
    }

    /// What a record in a retry topic says of earlier stages.
    pub(super) fn history(&self, tp: &TopicPartition, offset: i64) -> Option<&History> {
        self.logged(tp, offset)?.history.as_ref()
    }

    pub(super) fn end(&self, tp: &TopicPartition) -> i64 {
        self.logs.get(tp).map_or(0, |log| i64::try_from(log.len()).unwrap_or(i64::MAX))
    }

    pub(super) fn key(&self, tp: &TopicPartition, offset: i64) -> Option<&Bytes> {
        self.logged(tp, offset)?.key.as_ref()
    }

    fn logged(&self, tp: &TopicPartition, offset: i64) -> Option<&Logged> {
        self.logs.get(tp)?.get(usize::try_from(offset).ok()?)
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.logs.keys()
    }

    /// What is known of these copies now.
    pub(super) fn copies_now(&self, copies: &[Content]) -> Before {
        let known = || copies.iter().filter_map(|copy| self.copies.get(copy));
        Before {
            there: known().map(|count| count.there).sum(),
            refused: known().map(|count| count.refused).sum(),
        }
    }

    /// Whether one of these copies was refused for good since.
    pub(super) fn was_refused(&self, copies: &[Content], before: &Before) -> bool {
        self.copies_now(copies).refused > before.refused
    }

    /// Whether some of these copies came since.
    pub(super) fn came(&self, copies: &[Content], before: &Before) -> bool {
        self.copies_now(copies).there > before.there
    }

    /// This record may leave these copies.
    pub(super) fn expect(&mut self, copies: &[Content], record: Claimant) {
        for copy in copies {
            self.copies.entry(*copy).or_default().expected.insert(record);
        }
    }

    /// It is finished: what may come of it has come.
    pub(super) fn expect_no_more(&mut self, copies: &[Content], record: Claimant) {
        for copy in copies {
            self.copies.entry(*copy).or_default().expected.remove(&record);
        }
    }

    /// Whether each of these copies came since, and no other record counts on it; this one does from then on.
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

/// Where a dead letter comes from; `None` if it is none. The last headers count: it may have been one before.
fn origin(record: &Outgoing) -> Option<Origin> {
    let text = |name: &str| {
        let found = record.headers.iter().rev().find(|(key, _)| key == name.as_bytes());
        found.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok())
    };
    Some(Origin {
        group: text("dlt-consumer-group")?.into(),
        handler: text("dlt-handler")?.into(),
        tp: TopicPartition::new(text("dlt-original-topic")?, text("dlt-original-partition")?.parse().ok()?),
        offset: text("dlt-original-offset")?.parse().ok()?,
    })
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
