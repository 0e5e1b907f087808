//! The topics that exist when a member joins: `Start::Latest` skips their records, and nothing else.
//!
//! Pure bookkeeping, for both backends. A partition that is added later, or while no member of the group was running,
//! has no commit either. Records that were written to it before any member read it must not be lost.

use std::collections::BTreeMap;

/// The topics that existed when a member joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtJoin {
    topics: BTreeMap<String, Topic>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Topic {
    partitions: i32,
    /// Whether the group had committed in any of its partitions, and so had begun before.
    has_commits: bool,
}

impl AtJoin {
    /// Records a topic: how many partitions it had, and whether the group had committed in any of them.
    pub fn note(&mut self, topic: &str, partitions: i32, has_commits: bool) {
        self.topics.insert(topic.to_owned(), Topic { partitions, has_commits });
    }

    /// Records a topic as another list has it, for one that is subscribed to later: it is unknown if it did not exist
    /// then.
    pub fn take_over(&mut self, topic: &str, mut from: Self) {
        match from.topics.remove_entry(topic) {
            Some((topic, known)) => drop(self.topics.insert(topic, known)),
            None => drop(self.topics.remove(topic)),
        }
    }

    /// Returns whether a partition without a commit existed when the group began, and did not come later.
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
