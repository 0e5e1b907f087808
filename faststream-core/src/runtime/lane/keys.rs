//! Keys are identified by a hash: two keys with the same hash only wait for each other unnecessarily.

use std::hash::{DefaultHasher, Hasher};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyHash(u64);

impl KeyHash {
    pub(super) fn of(key: &[u8]) -> Self {
        // Created without random keys, so that a run repeats.
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        Self(hasher.finish())
    }
}
