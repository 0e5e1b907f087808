//! The model of one record in one assignment: its attempts, how they ended, and what finished it.
//!
//! A record that is read again by another lane has another model. What they share is in `LogIndex`: copies in the
//! logs.

use std::sync::Arc;

use super::content::Content;
use super::guard_model::GivenUp;
use super::log_index::{Before, LogIndex};
use super::order::CopyOrder;
use crate::result::Outcome;
use crate::result::Verdict;

/// One record in one assignment.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, seen one by one")]
#[derive(Debug, Default)]
pub(super) struct RecordModel {
    /// The number of its last attempt, from 1. Attempts in earlier retry stages are included.
    pub(super) attempts: u32,
    /// The number of attempts in earlier retry stages.
    pub(super) before: u32,
    /// Whether its call runs.
    pub(super) open: bool,
    /// How its last call ended; `None` before the first end.
    pub(super) last: Option<RecordEnd>,
    /// Whether a manual ack finished it: `ack` or `skip`, accepted.
    pub(super) acked: bool,
    /// Whether it was settled by `ack_durable` inside the call. Somebody waits for its commit, so results that may
    /// follow are not waited for.
    pub(super) acked_at_once: bool,
    /// The verdict by which the ack of the current attempt was settled, unless that finished the record.
    pub(super) hand: Option<Verdict>,
    /// What was in the logs of its dead letter when its disposition was last decided.
    pub(super) letters: Before,
    /// Its copy in the next retry topic, if there is one, and what was in the logs of it when the call ended.
    pub(super) step: Option<(Content, Before)>,
    /// The copies that it may still publish. Empty once it is finished.
    pub(super) may_leave: Vec<Content>,
    /// Whether it was found finished. Never reset.
    pub(super) finished: bool,
    /// The state of its copies, for the order in which they have to arrive.
    pub(super) order: CopyOrder,
    /// The copy that finished it, if one did: in a retry topic, or a dead letter.
    pub(super) ended_in: Option<Copied>,
    /// How often the runtime gave up on it, and why: for the guard.
    pub(super) given_up: GivenUp,
}

/// Which copy finished a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// The one in the next retry topic.
    RetryCopy,
    /// Its dead letter.
    DeadLetter,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordEnd {
    /// The handler returned a verdict, or a value that counts as one.
    Decided(Verdict),
    /// The handler returned results: their contents, and what was in the logs of them before.
    Published(Vec<Content>, Before),
    /// It returned an error, panicked or timed out.
    Failed,
    /// Its result cannot be encoded. No other attempt helps.
    NotEncodable,
    /// Its arguments could not be extracted, so the handler was not called.
    Undecodable,
}

/// What is left to do for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing: it is finished.
    Nothing,
    /// Everything: no call of its handler has begun.
    Begin,
    /// The end of its call. The number of the attempt.
    Call(u32),
    /// The settlement of its manual ack. The handler has returned.
    Ack,
    /// A result is not in its topic yet.
    Copies,
    /// Its copy is not in this retry topic yet.
    RetryCopy(Arc<str>),
    /// Its dead letter is not in this topic yet.
    DeadLetter(Arc<str>),
    /// Another attempt in place. The number of the failed one.
    Attempt(u32),
    /// Nothing that happens by itself soon: it is held, or it stopped the app.
    Help,
}

impl RecordModel {
    /// Returns the model of a record that is handed out for the first time here, after this many attempts in
    /// earlier stages.
    pub(super) fn after(before: u32) -> Self {
        Self { before, attempts: before, ..Self::default() }
    }

    /// Notes the begin of an attempt. Its ack is another one, so the settlement of the last is forgotten.
    pub(super) fn begin(&mut self) {
        self.attempts += 1;
        self.open = true;
        self.hand = None;
    }

    /// Notes the end of an attempt, and what is in the logs of its copies now: only later copies can be due to
    /// this call.
    ///
    /// `dead_letter` is what its dead letter would be, `step` its copy in the next retry topic.
    pub(super) fn end(
        &mut self,
        outcome: &Outcome,
        log_index: &LogIndex,
        dead_letter: Content,
        step: Option<Content>,
    ) {
        self.open = false;
        self.letters = log_index.copies_now(&[dead_letter]);
        self.step = step.map(|step| (step, log_index.copies_now(&[step])));
        self.last = Some(match outcome {
            Outcome::Verdict(verdict) => RecordEnd::Decided(verdict.clone()),
            // An attempt that its `Ack` nacked or rejected publishes nothing.
            Outcome::Publish(_) if self.hand.is_some() && !self.acked => RecordEnd::Decided(Verdict::Ack),
            Outcome::Publish(copies) => {
                let copies: Vec<_> = copies.iter().map(Content::of).collect();
                let before = log_index.copies_now(&copies);
                RecordEnd::Published(copies, before)
            }
            Outcome::Failed(_) => RecordEnd::Failed,
            Outcome::NotEncodable(_) => RecordEnd::NotEncodable,
            Outcome::Rejected(_) => RecordEnd::Undecodable,
        });
    }

    /// Returns whether an accepted manual ack is all that it takes: no results are to come, or the broker has
    /// answered them. `publishes` is whether the handler has results at all.
    pub(super) fn is_acked(&self, publishes: bool, log_index: &LogIndex) -> bool {
        let results = |last: &RecordEnd| match last {
            RecordEnd::Published(copies, before) => {
                copies.is_empty() || log_index.came(copies, before) || log_index.was_refused(copies, before)
            }
            _ => true,
        };
        let known = !self.open && self.last.as_ref().is_none_or(results);
        self.acked && (!publishes || self.acked_at_once || known)
    }

    /// Returns whether it was finished by `ack_durable` inside its call, and its results are not in the logs yet.
    pub(super) fn owes_results(&self, log_index: &LogIndex) -> bool {
        let pending_revocations = |last: &RecordEnd| match last {
            RecordEnd::Published(copies, before) => {
                !copies.is_empty()
                    && !log_index.came(copies, before)
                    && !log_index.was_refused(copies, before)
            }
            _ => false,
        };
        self.acked_at_once && !self.open && self.last.as_ref().is_some_and(pending_revocations)
    }

    /// Returns whether it was found finished when the model last looked.
    pub(super) fn is_known_finished(&self) -> bool {
        self.finished
    }

    /// Notes a manual settlement that the runtime accepted. A nack or reject of an earlier attempt's ack has no
    /// effect; `letters` is what is in the logs of its dead letter now.
    pub(super) fn settle(&mut self, attempt: u32, verdict: &Verdict, letters: Before, durable: bool) {
        if matches!(verdict, Verdict::Ack | Verdict::Skip) {
            self.acked = true;
            self.acked_at_once |= durable && self.open;
        } else if attempt == self.attempts {
            self.hand = Some(verdict.clone());
            // The dead letter of a call that failed may be in the logs already.
            let failed = matches!(
                self.last,
                Some(RecordEnd::Failed | RecordEnd::NotEncodable | RecordEnd::Undecodable)
            );
            if self.open || !failed {
                self.letters = letters;
            }
        }
    }
}
