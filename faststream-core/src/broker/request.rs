//! What a member wants to read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use crate::policy::Start;
use crate::topic_name::selects;

/// The membership that is asked for: one per (broker, group) of the process, whatever number of subscribers share it.
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
    /// What a revocation waits for running calls.
    pub drain: Duration,
}

/// Topics by pattern. Kafka's internal topics (`__...`) never match, and dead letters (`...-dlt`) and retry topics
/// (`...-retry-10s`) only if the pattern names them: else a pattern would read the dead letters that its own handler
/// writes, for ever, and the retries of other groups.
#[derive(Debug, Clone)]
pub struct PatternRequest {
    /// Searched in the topic's name; anchored only if it says so.
    pub regex: Regex,
    /// Where the group begins if it never committed there.
    pub start: Start,
}

impl GroupRequest {
    /// Whether this member reads `topic`, by name or by pattern.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        self.start(topic).is_some()
    }

    /// Where the group begins in `topic`; `None` if it does not read it.
    #[must_use]
    pub fn start(&self, topic: &str) -> Option<Start> {
        let by_pattern =
            || self.patterns.iter().find(|pattern| pattern.reads(topic)).map(|pattern| pattern.start);
        self.topics.get(topic).copied().or_else(by_pattern)
    }
}

impl PatternRequest {
    /// Whether the pattern selects `topic`.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        selects(&self.regex, topic)
    }
}
