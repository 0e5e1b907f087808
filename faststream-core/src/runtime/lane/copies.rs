//! Copies of one record on their way: which of them are handed over, answered, refused.

use tokio::time::Instant;

use crate::broker::{PublishError, PublishErrorKind, Published};
use crate::record::Outgoing;

/// Copies of one record: its results, its next stage, or its dead letter.
#[derive(Debug)]
pub(super) struct Copies {
    /// Not confirmed yet, in their order; their bytes are shared with what is on its way.
    left: Vec<Outgoing>,
    purpose: Purpose,
    /// When they were to be published first.
    since: Instant,
    /// How many of those that are left were handed to the producer this time, and how many of them have no answer.
    pub(super) sent: usize,
    open: usize,
    /// Which were refused this time.
    refused: Vec<usize>,
    /// The refusal that decides, of this time or the last one.
    error: Option<Box<PublishError>>,
    /// Times in a row at which some were refused, for the backoff.
    failures: u32,
    /// By the number of copies handed over until then: when the last of these was, and when one was refused.
    times: (u64, Option<u64>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Results,
    /// It goes on in a retry topic.
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

    /// How many of them are left, and how many times in a row some were refused.
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

    /// The topic of the first one that is not confirmed.
    pub(super) fn topic(&self) -> &str {
        self.left.first().map_or("", |copy| &copy.topic)
    }

    /// Why the broker refused them the last time.
    pub(super) fn error(&self) -> Option<&PublishError> {
        self.error.as_deref()
    }

    /// When one was refused the last time.
    pub(super) fn refused_at(&self) -> Option<u64> {
        self.times.1
    }

    /// Some are on their way, and were already then.
    pub(super) fn is_open_since(&self, then: u64) -> bool {
        self.open > 0 && self.times.0 <= then
    }

    /// Some are on their way.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Whether another one is to be handed over; none once one was refused.
    pub(super) fn has_next(&self) -> bool {
        self.refused.is_empty() && self.sent < self.left.len()
    }

    /// Takes note of the next one, as the `sends`th of its lane.
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

    /// What was handed over is answered, and nothing more will be this time.
    pub(super) fn is_answered(&self) -> bool {
        self.open == 0 && (self.was_refused() || self.sent == self.left.len())
    }

    /// Those that were refused, and those that were not handed over, are for the next time. `sends` were handed over by the
    /// lane so far.
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
