//! What is in the broker's logs, as evidence: records by place, results by content, dead letters by their origin.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use super::past::{Past, Step};
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
    /// All records, by place and offset.
    logs: BTreeMap<Place, Vec<Logged>>,
    copies: BTreeMap<Content, Count>,
    letters: BTreeMap<Origin, Count>,
}

/// A record in a log.
#[derive(Debug)]
struct Logged {
    key: Option<Bytes>,
    /// What it says of earlier stages, if it is in a retry topic.
    past: Option<Past>,
    /// What stays the same from stage to stage.
    content: Content,
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
    fn kept_over_stages(record: &Outgoing) -> Self {
        let mut hasher = DefaultHasher::new();
        (&record.key, &record.payload).hash(&mut hasher);
        let own = record.headers.iter().filter(|(name, _)| !name.starts_with(b"retry-"));
        own.for_each(|header| header.hash(&mut hasher));
        Self(hasher.finish())
    }

    /// The copy of a record in a retry topic, whatever it says of times and errors.
    fn of_step(step: &Step, content: Self) -> Self {
        let mut hasher = DefaultHasher::new();
        (step, content).hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl Evidence {
    pub(super) fn appended(&mut self, partition: i32, offset: i64, record: &Outgoing) {
        let log = self.logs.entry((Arc::clone(&record.topic), partition)).or_default();
        debug_assert_eq!(i64::try_from(log.len()), Ok(offset), "the log was watched from its first record");
        let (past, content) = (Past::of(record), Content::kept_over_stages(record));
        log.push(Logged { key: record.key.clone(), past, content });
        self.count(record).there += 1;
    }

    pub(super) fn refused(&mut self, record: &Outgoing) {
        self.count(record).refused += 1;
    }

    fn count(&mut self, record: &Outgoing) -> &mut Count {
        if let Some(origin) = origin(record) {
            return self.letters.entry(origin).or_default();
        }
        let content = Self::step_of(record).unwrap_or_else(|| Content::of(record));
        self.copies.entry(content).or_default()
    }

    /// Which step through retry topics this record is; `None` if it is none.
    pub(super) fn step_of(record: &Outgoing) -> Option<Content> {
        let past = Past::of(record)?;
        Some(Content::of_step(&past.step(Arc::clone(&record.topic)), Content::kept_over_stages(record)))
    }

    /// The copy that a record in a log leaves in the next retry topic, after so many attempts in all.
    pub(super) fn next_step(
        &self,
        place: &Place,
        offset: i64,
        next: Arc<str>,
        attempts: u32,
    ) -> Option<Content> {
        let logged = self.logged(place, offset)?;
        let (original, at) = self.original(place, offset);
        Some(Content::of_step(&Step { topic: next, original, at, attempts }, logged.content))
    }

    /// Where a record was read first.
    pub(super) fn original(&self, place: &Place, offset: i64) -> (Place, i64) {
        self.past(place, offset)
            .map_or_else(|| (place.clone(), offset), |past| (past.original.clone(), past.at))
    }

    /// What a record in a retry topic says of earlier stages.
    pub(super) fn past(&self, place: &Place, offset: i64) -> Option<&Past> {
        self.logged(place, offset)?.past.as_ref()
    }

    pub(super) fn end(&self, place: &Place) -> i64 {
        self.logs.get(place).map_or(0, |log| i64::try_from(log.len()).unwrap_or(i64::MAX))
    }

    pub(super) fn key(&self, place: &Place, offset: i64) -> Option<&Bytes> {
        self.logged(place, offset)?.key.as_ref()
    }

    fn logged(&self, place: &Place, offset: i64) -> Option<&Logged> {
        self.logs.get(place)?.get(usize::try_from(offset).ok()?)
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
