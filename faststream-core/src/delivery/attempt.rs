//! One attempt at one record, as extractors see it.

use std::sync::Arc;

use crate::app::Context;
use crate::record::Record;
use crate::runtime::LaneControl;
use crate::subscriber::Subscriber;

/// One attempt at one record. What a handler's arguments are read off, synchronously, before the handler runs.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// As it was read first: not from a retry topic.
    pub(crate) record: Record<'a>,
    /// The record's topic.
    pub(crate) topic: &'a Arc<str>,
    /// Where it is now, in its lane.
    pub(crate) offset: i64,
    pub(crate) attempt: u32,
    pub(crate) subscriber: &'a Arc<Subscriber>,
    pub(crate) context: &'a Arc<Context>,
    pub(crate) control: &'a Arc<LaneControl>,
}

impl<'a> Delivery<'a> {
    /// The record. In a retry topic it has the topic, partition, offset and timestamp that it was first read with: what
    /// is derived of them does not change with the attempt.
    #[must_use]
    pub fn record(&self) -> Record<'a> {
        self.record
    }

    /// 1 for the first attempt, those in earlier retry topics counted.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The handler's group.
    #[must_use]
    pub fn group(&self) -> &'a str {
        &self.subscriber.group
    }

    /// The handler's name.
    #[must_use]
    pub fn handler(&self) -> &'a str {
        &self.subscriber.handler
    }

    /// A state of the app; `None` if it was never given.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.context.states.get::<T>()
    }
}

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} for {} (attempt {})", self.record, self.subscriber.handler, self.attempt)
    }
}
