//! The parts of librdkafka's statistics that are used: which partitions fetch, and whether the client has joined.
//!
//! They are a JSON document for each client, every `statistics.interval.ms` (2 s by default; `config/check.rs`
//! refuses values that switch it off). Only three of its fields are read, and the others are skipped by the
//! parser. The names are those of librdkafka's `STATISTICS.md`.

use std::collections::BTreeMap;

use faststream_core::TopicPartition;
use serde::Deserialize;

/// The parts of the document that are read.
#[derive(Deserialize)]
struct Document {
    /// The group; absent in clients without one.
    cgrp: Option<Group>,
    /// The topics by name.
    #[serde(default)]
    topics: BTreeMap<String, Topic>,
}

/// The client's membership.
#[derive(Deserialize)]
struct Group {
    /// librdkafka's name of the state, such as `steady`.
    join_state: String,
}

#[derive(Deserialize)]
struct Topic {
    /// The partitions by number, as text, `-1` among them.
    #[serde(default)]
    partitions: BTreeMap<String, Partition>,
}

/// One partition, assigned or only known from the metadata.
#[derive(Deserialize)]
struct Partition {
    /// `active` while it fetches; otherwise why not (`none`, `stopped`, `offset-query`, ...).
    fetch_state: String,
    /// Negative if the last answer was an error, or there was none.
    #[serde(default)]
    hi_offset: i64,
}

/// The last statistics, as the control thread reads them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    /// Whether each partition fetches. Contains partitions of other members too, which do not.
    pub(super) fetching: BTreeMap<TopicPartition, bool>,
    /// Whether the last fetch of each partition was answered without an error, by its high watermark.
    pub(super) answered: BTreeMap<TopicPartition, bool>,
    /// librdkafka's name of the state; `None` before it is a member.
    pub(super) join_state: Option<String>,
}

impl Statistics {
    /// Parses the statistics; returns `None` if they cannot be parsed.
    pub(super) fn parse(statistics: &[u8]) -> Option<Self> {
        let Document { cgrp, topics } = serde_json::from_slice(statistics).ok()?;
        let (mut fetching, mut answered) = (BTreeMap::new(), BTreeMap::new());
        for (topic, Topic { partitions }) in topics {
            for (partition, Partition { fetch_state, hi_offset }) in partitions {
                // -1 is librdkafka's own partition, for messages without a partition.
                if let Some(partition) = partition.parse().ok().filter(|partition| *partition >= 0) {
                    answered.insert(TopicPartition::new(topic.as_str(), partition), hi_offset >= 0);
                    fetching.insert(TopicPartition::new(topic.as_str(), partition), fetch_state == "active");
                }
            }
        }
        Some(Self { fetching, answered, join_state: cgrp.map(|group| group.join_state) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_active_partitions_fetch() {
        let json = br#"{"name":"x","cgrp":{"join_state":"steady"},"topics":{"a":{"partitions":{"0":{"fetch_state":"active","hi_offset":7},
            "1":{"fetch_state":"none","hi_offset":-1},"-1":{"fetch_state":"none"}}}}}"#;
        let fetching =
            BTreeMap::from([(TopicPartition::new("a", 0), true), (TopicPartition::new("a", 1), false)]);
        let join_state = Some("steady".into());
        let answered = fetching.clone();
        assert_eq!(Statistics::parse(json), Some(Statistics { fetching, answered, join_state }));
        assert_eq!(Statistics::parse(b"{}"), Some(Statistics::default()));
        assert_eq!(Statistics::parse(b"{"), None);
    }
}
