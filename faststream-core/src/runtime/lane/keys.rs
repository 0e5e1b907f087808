//! Keys are known by a hash: two keys of one hash only wait for each other needlessly.

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
