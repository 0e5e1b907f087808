//! What is known of one record in one assignment: its attempts, how they ended, and what finished it.

use std::sync::Arc;

use super::guard_model::GivenUp;
use super::log_index::{Before, Content, LogIndex};
use super::order::CopyOrder;
use crate::result::Outcome;
use crate::result::Verdict;

/// One record in one assignment.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, seen one by one")]
#[derive(Debug, Default)]
pub(super) struct RecordModel {
    /// Those of earlier stages counted.
    pub(super) attempts: u32,
    pub(super) before: u32,
    pub(super) open: bool,
    /// How its last call ended.
    pub(super) last: Option<RecordEnd>,
    /// Settled by hand as a success, or as given up.
    pub(super) acked: bool,
    /// Inside the call, and somebody waits for its commit: results that may follow are not waited for.
    pub(super) acked_at_once: bool,
    pub(super) hand: Option<Verdict>,
    /// What was known of its dead letters when it was last decided about.
    pub(super) letters: Before,
    /// Its copy in the next retry topic, should it go on there, and what was known of it.
    pub(super) step: Option<(Content, Before)>,
    /// Copies that may come of it while it is not finished.
    pub(super) may_leave: Vec<Content>,
    pub(super) finished: bool,
    /// Where its copies are, for the order in which they come.
    pub(super) order: CopyOrder,
    /// Finished by a copy that goes on: in a retry topic, or in the dead letters.
    pub(super) ended_in: Option<Copied>,
    /// To the dead letters, if the guard lets it.
    pub(super) given_up: GivenUp,
}

/// Which copy finished a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    Stage,
    DeadLetterCount,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordEnd {
    Decided(Verdict),
    /// What is to be published, and what was known of it before.
    Published(Vec<Content>, Before),
    Failed,
    NotEncodable,
    Undecodable,
}

/// What is left to do for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// No call of its handler began.
    Begin,
    /// A call runs, this attempt.
    Call(u32),
    /// The handler ended, its `Ack` did not.
    Ack,
    /// A result is not in its topic.
    Copies,
    /// Its copy is not in this retry topic.
    Stage(Arc<str>),
    /// Its dead letter is not in this topic.
    DeadLetterCount(Arc<str>),
    /// Another attempt, after so many.
    Attempt(u32),
    /// It is held, or stopped the app.
    Help,
}

impl RecordModel {
    /// Handed out for the first time here, after so many attempts in earlier stages.
    pub(super) fn after(before: u32) -> Self {
        Self { before, attempts: before, ..Self::default() }
    }

    pub(super) fn begin(&mut self) {
        self.attempts += 1;
        self.open = true;
        self.hand = None;
    }

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
            // Of an attempt that failed by its `Ack`, nothing is published.
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

    /// Whether an accepted `Ack` is all that it takes: no results are to come, or they are known to the broker.
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

    /// Whether it was finished by an `Ack` inside its call, and the results that followed are not known to the broker.
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

    /// Whether it was found finished when one last looked.
    pub(super) fn is_known_finished(&self) -> bool {
        self.finished
    }

    /// Settled by hand, and in time.
    pub(super) fn settle(&mut self, attempt: u32, verdict: &Verdict, letters: Before, durable: bool) {
        if matches!(verdict, Verdict::Ack | Verdict::Skip) {
            self.acked = true;
            self.acked_at_once |= durable && self.open;
        } else if attempt == self.attempts {
            self.hand = Some(verdict.clone());
            // The dead letter of a call that failed by itself may be there already.
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
