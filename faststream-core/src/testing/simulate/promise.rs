//! The promises that a simulation checks, and the report of a broken one.

use std::fmt;

/// A promise of the guide's page on guarantees, or a rule of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// 1: the committed offset does not pass an unfinished record. Checked at every store and commit (`commits`).
    CommitsOnlyFinished,
    /// 2: commits recover, and delivery continues meanwhile (`invariants`).
    CommitErrorsStopNothing,
    /// 3: records of an assigned partition begin (`invariants`).
    AssignedIsRead,
    /// 4: revocations are answered in time, with finished records committed (`members`).
    RevocationsAnswered,
    /// 5: a partition gets a reader again (`invariants`).
    LostIsReadAgain,
    /// 6: a shutdown ends in time (`fleet`).
    ShutdownEnds,
    /// 7: nothing begins and no ack is accepted for a lane that ended (`calls`).
    StaleHasNoEffect,
    /// 8: order by partition or key, of calls (`calls`) and of copies (`order`).
    Order,
    /// 10: the task of a lane survives its handlers and records (`members`).
    NothingEndsTheLoop,
    /// 11: `max_uncommitted` (`calls`).
    Brake,
    /// `AckFirst` with `commit = Each` (`calls`).
    AtMostOnce,
    /// Every record is finished or held at the end, and everything settles (`run`, `invariants`).
    NothingLost,
    /// Retry copies are true, and handed out when due (`history`, `calls`).
    DelaysKept,
    /// The limits of the dead-letter guard (`guard_model`).
    Guarded,
    /// Of pauses, resumes and seeks.
    Operated,
    /// The app starts, when faults are off at the latest (`fleet`, `run`).
    Starts,
    /// A check or an action of the scenario panicked (`failure`).
    OwnCheck,
}

impl Promise {
    /// Returns the promise as a sentence, with its number if it has one.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::CommitsOnlyFinished => "promise 1: no committed offset exceeds an unfinished record",
            Self::CommitErrorsStopNothing => {
                "promise 2: after a commit error delivery goes on, and what is finished is committed as soon as it can be"
            }
            Self::AssignedIsRead => "promise 3: an assigned partition is read within a second",
            Self::RevocationsAnswered => {
                "promise 4: a revocation is answered within the drain time and 0.1 s"
            }
            Self::LostIsReadAgain => "promise 5: after a lost membership partitions are read again in time",
            Self::ShutdownEnds => "promise 6: a shutdown ends within the drain time and 2 s",
            Self::StaleHasNoEffect => "promise 7: what outlives its assignment has no effect",
            Self::Order => "promise 8: order is kept, and attempts never overlap",
            Self::NothingEndsTheLoop => {
                "promise 10: nothing that handlers or records do ends what reads a partition"
            }
            Self::Brake => "promise 11: while commits fail, what is delivered beyond the last one is bounded",
            Self::AtMostOnce => "`AckFirst` with `commit = Each`: at most once, and never before its commit",
            Self::NothingLost => "nothing is lost",
            Self::DelaysKept => {
                "a record in a retry topic is a copy of one that failed, and is not handed out before it is due"
            }
            Self::Guarded => {
                "no more dead letters, in a row or among the last records, than the guard lets through"
            }
            Self::Operated => {
                "what is paused begins no call, and a pause, resume or seek has its effect in time"
            }
            Self::Starts => "the rule that an app starts, at the latest when faults are off",
            Self::OwnCheck => "a check of the scenario",
        }
    }
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    /// The promise.
    pub(super) promise: Promise,
    /// Topic, partition, offset, handler, and what is wrong.
    pub(super) message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {}", self.promise.message(), self.message)
    }
}
