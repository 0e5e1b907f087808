//! The copies of one record: which of them are handed over, answered, refused.

use tokio::time::Instant;

use crate::broker::{PublishError, PublishErrorKind, Published};
use crate::record::Outgoing;

/// The copies of one record: its results, its copy for a retry topic, or its dead letter.
#[derive(Debug)]
pub(super) struct Copies {
    /// Unconfirmed copies, in their order. Their bytes are shared with the copies in flight.
    left: Vec<Outgoing>,
    purpose: Purpose,
    /// When they were first to be published.
    since: Instant,
    /// How many of the unconfirmed copies were handed to the producer this time, and how many of those have no answer.
    pub(super) sent: usize,
    open: usize,
    /// Which copies were refused this time.
    refused: Vec<usize>,
    /// The decisive refusal, of this time or the last one.
    error: Option<Box<PublishError>>,
    /// How many times in a row copies were refused, for the backoff.
    failures: u32,
    /// Times, as the number of copies handed over until then: when the last of these was, and when one was refused.
    times: (u64, Option<u64>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Results,
    /// The record moves to a retry topic.
    Retry,
    DeadLetter,
}

impl Copies {
    pub(super) fn new(left: Vec<Outgoing>, purpose: Purpose, since: Instant) -> Self {
        Self {
            left,
            purpose,
            since,
            sent: 0,
            open: 0,
            refused: Vec::new(),
            error: None,
            failures: 0,
            times: (0, None),
        }
    }

    /// Returns how many of them are unconfirmed, and how many times in a row copies were refused.
    pub(super) fn left(&self) -> usize {
        self.left.len()
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Returns the topic of the first unconfirmed copy.
    pub(super) fn topic(&self) -> &str {
        self.left.first().map_or("", |copy| &copy.topic)
    }

    /// Returns why the broker refused them the last time.
    pub(super) fn error(&self) -> Option<&PublishError> {
        self.error.as_deref()
    }

    /// Returns when one was refused the last time.
    pub(super) fn refused_at(&self) -> Option<u64> {
        self.times.1
    }

    /// Returns whether copies are in flight that were in flight `then`.
    pub(super) fn is_open_since(&self, then: u64) -> bool {
        self.open > 0 && self.times.0 <= then
    }

    /// Returns whether copies are in flight.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Returns whether another copy is to be handed over; none is once one was refused.
    pub(super) fn has_next(&self) -> bool {
        self.refused.is_empty() && self.sent < self.left.len()
    }

    /// Records the next copy as the `sends`th of its lane, and returns it.
    pub(super) fn next(&mut self, sends: u64) -> &Outgoing {
        self.sent += 1;
        self.open += 1;
        self.times.0 = sends;
        &self.left[self.sent - 1]
    }

    pub(super) fn answered(&mut self, index: usize, result: Result<Published, Box<PublishError>>) {
        self.open -= 1;
        let Err(mut error) = result else { return };
        if error.topic.is_empty() {
            error.topic = self.left[index].topic.to_string();
        }
        let rank = |kind| match kind {
            PublishErrorKind::QueueFull => 0,
            PublishErrorKind::Retriable => 1,
            PublishErrorKind::Denied => 2,
            PublishErrorKind::Permanent => 3,
        };
        let is_first = self.refused.is_empty();
        self.refused.push(index);
        if is_first || self.error.as_ref().is_none_or(|worst| rank(worst.kind) <= rank(error.kind)) {
            self.error = Some(error);
        }
    }

    pub(super) fn was_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Returns whether all copies that were handed over are answered, and no more will be handed over this time.
    pub(super) fn is_answered(&self) -> bool {
        self.open == 0 && (self.was_refused() || self.sent == self.left.len())
    }

    /// Leaves the copies that were refused, or not handed over, for the next time. The lane has handed over `sends`
    /// copies so far.
    pub(super) fn again(&mut self, sends: u64) {
        self.times.1 = Some(sends);
        let (refused, sent) = (std::mem::take(&mut self.refused), self.sent);
        if refused.len() < sent {
            let is_left: std::collections::BTreeSet<usize> = refused.into_iter().collect();
            let mut index = 0;
            self.left.retain(|_| {
                index += 1;
                index > sent || is_left.contains(&(index - 1))
            });
        }
        self.sent = 0;
        self.failures += 1;
    }
}
