//! What there was when a member joined: `Start::Latest` skips that, and nothing else.
//!
//! Pure bookkeeping, for both backends. A partition that is added later, or was while nobody of the group ran, has no
//! commit either; what was written to it before anybody looked is not to be lost.

use std::collections::BTreeMap;

/// The topics that there were when a member joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtJoin {
    topics: BTreeMap<String, Topic>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Topic {
    partitions: i32,
    /// The group had committed in it, in whatever partition: it began before.
    has_commits: bool,
}

impl AtJoin {
    /// Notes a topic: how many partitions it had, and whether the group had committed in any of them.
    pub fn note(&mut self, topic: &str, partitions: i32, has_commits: bool) {
        self.topics.insert(topic.to_owned(), Topic { partitions, has_commits });
    }

    /// Whether a partition without a commit is one that the group begins with, and not one that came later.
    #[must_use]
    pub fn begins_with(&self, topic: &str, partition: i32) -> bool {
        let known = self.topics.get(topic);
        known.is_some_and(|known| partition < known.partitions && !known.has_commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_new_group_found_is_what_it_begins_with() {
        let mut at_join = AtJoin::default();
        at_join.note("new", 2, false);
        at_join.note("known", 2, true);
        let begins = |topic| [0, 1, 2].map(|partition| at_join.begins_with(topic, partition));
        assert_eq!(begins("new"), [true, true, false], "the third was added later");
        assert_eq!(begins("known"), [false; 3], "one without a commit was added while the group was away");
        assert_eq!(begins("made later"), [false; 3]);
    }
}
