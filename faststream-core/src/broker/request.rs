//! A member's request for the topics that it reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use crate::policy::Start;
use crate::topic_name::selects;

/// The requested membership: one per (broker, group) of the process, no matter how many subscribers share it.
#[derive(Debug, Clone)]
pub struct GroupRequest {
    /// The consumer group.
    pub group: Arc<str>,
    /// The topics by name, and where the group begins if it never committed there.
    pub topics: BTreeMap<String, Start>,
    /// The topics by pattern, matched by the backend against the metadata; topics that appear later are picked up.
    pub patterns: Vec<PatternRequest>,
    /// How often stored offsets are committed.
    pub commit_interval: Duration,
    /// How long a revocation waits for running calls.
    pub drain: Duration,
}

/// Topics by pattern. Kafka's internal topics (`__...`) never match, and dead-letter topics (`...-dlt`) and retry
/// topics (`...-retry-10s`) match only if the pattern names them. Otherwise a pattern would read the dead letters that
/// its own handler writes, forever, and the retries of other groups.
#[derive(Debug, Clone)]
pub struct PatternRequest {
    /// The regular expression, searched in the topic's name. Anchored only if it contains anchors.
    pub regex: Regex,
    /// Where the group begins if it never committed there.
    pub start: Start,
}

impl GroupRequest {
    /// Returns whether this member reads `topic`, by name or by pattern.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        self.start(topic).is_some()
    }

    /// Returns where the group begins in `topic`; `None` if it does not read the topic.
    #[must_use]
    pub fn start(&self, topic: &str) -> Option<Start> {
        let by_pattern =
            || self.patterns.iter().find(|pattern| pattern.reads(topic)).map(|pattern| pattern.start);
        self.topics.get(topic).copied().or_else(by_pattern)
    }
}

impl PatternRequest {
    /// Returns whether the pattern selects `topic`.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        selects(&self.regex, topic)
    }
}
