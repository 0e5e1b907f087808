//! Which keys are busy, and which records wait behind them (`order = Key`).
//!
//! Keys are known by a hash: two keys of one hash only wait for each other needlessly.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyHash(u64);

impl KeyHash {
    pub(super) fn of(key: &[u8]) -> Self {
        // Made without random keys, so that a run repeats.
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        Self(hasher.finish())
    }
}

#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Present = busy.
    busy: BTreeMap<KeyHash, VecDeque<i64>>,
}

impl Keys {
    pub(super) fn is_busy(&self, key: KeyHash) -> bool {
        self.busy.contains_key(&key)
    }

    /// The key's record begins.
    pub(super) fn occupy(&mut self, key: KeyHash) {
        self.busy.entry(key).or_default();
    }

    /// A record waits behind its key.
    pub(super) fn queue(&mut self, key: KeyHash, offset: i64) {
        self.busy.entry(key).or_default().push_back(offset);
    }

    /// A record that was done with its key waits for it again, before all others.
    pub(super) fn queue_first(&mut self, key: KeyHash, offset: i64) {
        self.busy.entry(key).or_default().push_front(offset);
    }

    /// The key's record ended: the next one of it, which occupies the key now.
    pub(super) fn release(&mut self, key: KeyHash) -> Option<i64> {
        let next = self.busy.get_mut(&key)?.pop_front();
        if next.is_none() {
            self.busy.remove(&key);
        }
        next
    }
}
