//! The retry topics of a subscriber, and the one that a record moves to next.

use std::sync::Arc;
use std::time::Duration;

use crate::topic_name;

/// One retry topic of a subscriber: `{topic}-{group}-retry-{delay}`.
///
/// Created for each topic that the subscriber reads by name and each delay of `retry(topics = [...])`. Only this group
/// reads it: other groups of the source topic never see its retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryTopic {
    /// The topic's name.
    pub name: Arc<str>,
    /// The topic whose records move here.
    pub source: Arc<str>,
    /// Its position among the retry topics of its source; 0 for the first.
    pub stage: usize,
    /// How long a record waits here before its next attempt.
    pub delay: Duration,
}

impl RetryTopic {
    /// Returns the delay as it was written: `1m`.
    #[must_use]
    pub fn written_delay(&self) -> &str {
        self.name.rsplit_once("-retry-").map_or("", |(_, delay)| delay)
    }

    /// Returns the retry topics of these sources, by source and position. The delays are as they were written.
    pub(crate) fn all(sources: &[Arc<str>], group: &str, delays: &[(&str, Duration)]) -> Vec<Self> {
        let of = |source: &Arc<str>| {
            let source = Arc::clone(source);
            delays.iter().enumerate().map(move |(stage, (text, delay))| Self {
                name: topic_name::retry(&source, group, text).into(),
                source: Arc::clone(&source),
                stage,
                delay: *delay,
            })
        };
        sources.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_each_stage_and_the_delay_is_named_as_it_was_written() {
        let sources = ["a".into(), "b".into()];
        let delays = [("10s", Duration::from_secs(10)), ("60s", Duration::from_secs(60))];
        let topics = RetryTopic::all(&sources, "g", &delays);
        let told: Vec<_> = topics.iter().map(|topic| (&*topic.name, &*topic.source, topic.stage)).collect();
        assert_eq!(
            told,
            [
                ("a-g-retry-10s", "a", 0),
                ("a-g-retry-60s", "a", 1),
                ("b-g-retry-10s", "b", 0),
                ("b-g-retry-60s", "b", 1)
            ]
        );
    }

    #[test]
    fn a_delay_is_shown_as_it_was_written() {
        let topics =
            RetryTopic::all(&["orders".into()], "my-retry-group", &[("1m", Duration::from_secs(60))]);
        assert_eq!(topics[0].written_delay(), "1m");
    }
}
