//! What a simulation holds the runtime to, and how a broken promise is said.

use std::fmt;

/// A promise of the guide's page on guarantees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    CommitsOnlyFinished,
    CommitErrorsStopNothing,
    AssignedIsRead,
    RevocationsAnswered,
    LostIsReadAgain,
    ShutdownEnds,
    StaleHasNoEffect,
    Order,
    NothingEndsTheLoop,
    Brake,
    /// `AckFirst` with `commit = Each`.
    AtMostOnce,
    NothingLost,
    /// Of retry topics.
    DelaysKept,
    /// The dead-letter guard.
    Guarded,
    /// With faults off, if not before.
    Starts,
    /// Of the scenario's author.
    OwnCheck,
}

impl Promise {
    /// The promise, with its number if it has one.
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
            Self::Starts => "the rule that an app starts, at the latest when faults are off",
            Self::OwnCheck => "a check of the scenario",
        }
    }
}

/// A promise that was broken, and how.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) promise: Promise,
    /// Topic, partition, offset, handler, and what is wrong.
    pub(super) message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {}", self.promise.message(), self.message)
    }
}
