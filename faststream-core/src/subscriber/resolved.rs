//! A subscriber with all settings resolved: variables replaced, defaults applied, durations parsed.

use std::sync::Arc;

use super::{Handler, LaneSpec};
use crate::context::HandlerInfo;
use crate::topic_name::dead_letters;

/// A subscriber with all settings resolved: a handler, and what the lanes have to do that bring its records.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// What its lanes have to do.
    pub spec: Arc<LaneSpec>,
    /// What applies to its calls alone.
    pub handler: Arc<Handler>,
}

impl Subscriber {
    /// Returns what its extractors, plain calls and reports know of it. A lane asks once.
    pub(crate) fn info(&self) -> HandlerInfo {
        HandlerInfo {
            name: Arc::clone(&self.handler.name),
            group: Arc::clone(&self.spec.group),
            pattern: self.spec.pattern().cloned(),
            timeout: self.handler.timeout,
            publishes: Arc::clone(&self.handler.publishes),
        }
    }

    /// Returns the topic for dead letters of records of `topic` (`OnError::DeadLetter`). Records of a retry topic go to
    /// the dead-letter topic of their source topic.
    #[must_use]
    pub fn dead_letter_topic(&self, topic: &str) -> Arc<str> {
        let source = self.spec.retry_topic(topic).map_or(topic, |retry| &retry.source);
        self.handler.dead_letter.clone().unwrap_or_else(|| dead_letters(source).into())
    }
}
