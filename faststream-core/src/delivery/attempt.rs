//! One attempt at one record, as extractors see it.

use std::sync::Arc;

use crate::context::{Context, HandlerInfo, LaneControl};
use crate::record::Record;

/// One attempt at one record. A handler's arguments are read from it, synchronously, before the handler runs.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The record as it was first read, not as it is in a retry topic.
    pub(crate) record: Record<'a>,
    /// The record's topic.
    pub(crate) topic: &'a Arc<str>,
    /// Its offset in the lane that reads it now.
    pub(crate) offset: i64,
    pub(crate) attempt: u32,
    pub(crate) handler: &'a Arc<HandlerInfo>,
    pub(crate) context: &'a Arc<Context>,
    pub(crate) control: &'a Arc<LaneControl>,
}

impl<'a> Delivery<'a> {
    /// Returns the record. In a retry topic it keeps its original topic, partition, offset and timestamp, so that
    /// values derived from them do not change with the attempt.
    #[must_use]
    pub fn record(&self) -> Record<'a> {
        self.record
    }

    /// Returns the attempt: 1 for the first, and attempts in earlier retry topics are counted.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the handler's group.
    #[must_use]
    pub fn group(&self) -> &'a str {
        &self.handler.group
    }

    /// Returns the handler's name.
    #[must_use]
    pub fn handler(&self) -> &'a str {
        &self.handler.name
    }

    /// Returns a state of the app; `None` if the app does not have it.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.context.states.get::<T>()
    }
}

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} for {} (attempt {})", self.record, self.handler.name, self.attempt)
    }
}
