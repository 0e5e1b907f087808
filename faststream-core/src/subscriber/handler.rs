//! A handler with all settings resolved: what applies to its calls, and to no other call of their lane.

use std::sync::Arc;
use std::time::Duration;

use super::SubscriberDef;
use crate::policy::{AckPolicy, OnError, Retry};

/// A handler with all settings resolved.
///
/// What its lane has to do, whoever handles the records, is a [`LaneSpec`](super::LaneSpec).
#[derive(Debug, Clone)]
pub struct Handler {
    /// The definition, as registered.
    pub def: &'static SubscriberDef,
    /// The name in logs, metrics and tests: the function's name, or its path if several functions have that name.
    pub name: Arc<str>,
    /// When a record is finished.
    pub ack: AckPolicy,
    /// Retries in place. With retry topics, they apply in the source topic and again in each retry topic.
    pub retry: Retry,
    /// What happens to a record after the last attempt.
    pub on_error: OnError,
    /// What happens to a record that cannot be decoded.
    pub on_decode_error: OnError,
    /// The dead-letter topic, if one was named. Otherwise it is `{topic}-dlt`.
    pub dead_letter: Option<Arc<str>>,
    /// How long a call may take. A longer call is cancelled and counts as failed.
    pub timeout: Option<Duration>,
    /// The topics of its `#[publisher]`s, in order.
    pub publishes: Arc<[Arc<str>]>,
}

impl Handler {
    /// Returns whether its records may become dead letters.
    #[must_use]
    pub fn writes_dead_letters(&self) -> bool {
        self.dead_letter.is_some()
            || self.on_error == OnError::DeadLetter
            || self.on_decode_error == OnError::DeadLetter
    }
}
