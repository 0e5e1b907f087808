//! What is in the broker's logs, as evidence: records by place, results by content, dead letters by their origin.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use crate::publish::Outgoing;

/// A partition.
pub(super) type Place = (Arc<str>, i32);

/// A copy by its content: what topic, key, payload and headers it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Content(u64);

/// A dead letter by its origin: group, handler, topic, partition, offset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) group: Arc<str>,
    pub(super) handler: Arc<str>,
    pub(super) place: Place,
    pub(super) offset: i64,
}

/// What is in the logs, and who counted on it.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The keys of all records, by place and offset.
    logs: BTreeMap<Place, Vec<Option<Bytes>>>,
    copies: BTreeMap<Content, Count>,
    letters: BTreeMap<Origin, Count>,
}

/// How many of a copy there are, and how often it was refused for good.
#[derive(Debug, Default)]
struct Count {
    there: u64,
    refused: u64,
    /// The finished records that count on some of them.
    claimed: BTreeMap<Origin, u64>,
}

/// What was known of copies when a call ended: only what came later is due to it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
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
}

impl Evidence {
    pub(super) fn appended(&mut self, partition: i32, offset: i64, record: &Outgoing) {
        let log = self.logs.entry((Arc::clone(&record.topic), partition)).or_default();
        debug_assert_eq!(i64::try_from(log.len()), Ok(offset), "the log was watched from its first record");
        log.push(record.key.clone());
        match origin(record) {
            Some(origin) => self.letters.entry(origin).or_default().there += 1,
            None => self.copies.entry(Content::of(record)).or_default().there += 1,
        }
    }

    pub(super) fn refused(&mut self, record: &Outgoing) {
        match origin(record) {
            Some(origin) => self.letters.entry(origin).or_default().refused += 1,
            None => self.copies.entry(Content::of(record)).or_default().refused += 1,
        }
    }

    pub(super) fn end(&self, place: &Place) -> i64 {
        self.logs.get(place).map_or(0, |log| i64::try_from(log.len()).unwrap_or(i64::MAX))
    }

    pub(super) fn key(&self, place: &Place, offset: i64) -> Option<&Bytes> {
        self.logs.get(place)?.get(usize::try_from(offset).ok()?)?.as_ref()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
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

    /// What is known of this dead letter now.
    pub(super) fn letters_now(&self, origin: &Origin) -> Before {
        let known = |count: &Count| Before { there: count.there, refused: count.refused };
        self.letters.get(origin).map(known).unwrap_or_default()
    }

    /// Whether one of these copies was refused for good since.
    pub(super) fn was_refused(&self, copies: &[Content], before: &Before) -> bool {
        self.copies_now(copies).refused > before.refused
    }

    /// Whether some of these copies came since.
    pub(super) fn came(&self, copies: &[Content], before: &Before) -> bool {
        self.copies_now(copies).there > before.there
    }

    pub(super) fn was_letter_refused(&self, origin: &Origin, before: &Before) -> bool {
        self.letters_now(origin).refused > before.refused
    }

    /// Whether a dead letter came since.
    pub(super) fn came_letter(&self, origin: &Origin, before: &Before) -> bool {
        self.letters_now(origin).there > before.there
    }

    /// Whether each of these copies came since, and no other record counts on it; this one does from then on.
    pub(super) fn claim(&mut self, copies: &[Content], before: &Before, record: &Origin) -> bool {
        let mut needed = BTreeMap::<Content, u64>::new();
        for copy in copies {
            *needed.entry(*copy).or_default() += 1;
        }
        let free = |copy: &Content| {
            self.copies.get(copy).map_or(0, |count| {
                let others = count.claimed.iter().filter(|(claimant, _)| *claimant != record);
                count.there.saturating_sub(others.map(|(_, times)| times).sum())
            })
        };
        if !self.came(copies, before) || needed.iter().any(|(copy, times)| free(copy) < *times) {
            return false;
        }
        for (copy, times) in needed {
            self.copies.entry(copy).or_default().claimed.insert(record.clone(), times);
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
        place: (text("dlt-original-topic")?.into(), text("dlt-original-partition")?.parse().ok()?),
        offset: text("dlt-original-offset")?.parse().ok()?,
    })
}
