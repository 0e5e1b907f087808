//! A record of a lane that did not finish at once: where it is, and what it waits for.

use tokio::time::Instant;

use super::copies::Copies;
use super::manual_ack::ManualSettlement;
use super::timers::TimerKind;
use super::turns::OrderLine;
use crate::record::OwnedRecord;
use crate::result::Verdict;

/// A record that is kept: running, waiting, held.
pub(super) struct Entry {
    pub(super) source: RecordSource,
    /// Among which it keeps its order.
    pub(super) line: OrderLine,
    /// Attempts that were made in earlier stages of its retry topics.
    pub(super) before: u32,
    /// 1 for the first attempt, those before counted.
    pub(super) attempt: u32,
    state: CallState,
    /// Its current call, if it did not end at once; for the warning about slow calls.
    pub(super) call: Option<CallClock>,
    /// What it waits for by the clock.
    pub(super) due: Option<(Instant, TimerKind)>,
    /// Settled by hand before the handler ended, or its results were confirmed.
    pub(super) manual_ack: Option<ManualSettlement>,
    /// Why it failed the last time.
    pub(super) failure: Option<CallFailure>,
    /// Why it failed the first time here, and when (Unix ms); noted if it may go on in a retry topic.
    pub(super) first: Option<(CallFailure, i64)>,
    /// The dead-letter guard counted it, or keeps it back.
    pub(super) guard: Guarded,
    /// What is being published, and what follows its confirmation.
    pub(super) copies: Option<Copies>,
}

/// How long a call takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallClock {
    pub(super) began: Instant,
    /// It was logged that it takes long.
    pub(super) is_logged: bool,
}

/// What the dead-letter guard made of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarded {
    Unseen,
    Counted,
    /// Tried so often since as the one by which the guard finds out whether the cause is mended.
    KeptBack(u32),
}

/// Where a kept record is.
pub(super) enum RecordSource {
    /// In the lane's current batch.
    Batch(usize),
    /// Copied out of it.
    Copy(OwnedRecord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallState {
    /// For its turn, or about to start.
    Waiting,
    /// Its start waits until the broker confirmed the commit (`AckFirst` with `commit = Each`).
    Committing,
    Running,
    /// Until its next attempt.
    Paused,
    /// Its copies wait for their turn to be published, or were refused and wait for the next time.
    Unpublished,
    /// Its copies are on their way, and nothing behind it moves.
    Republishing,
    /// Its copies are on their way.
    Confirming,
    /// The handler ended, its `Ack` did not.
    Acking,
    Held,
    /// `Stop`: nothing more happens to it here.
    Stopped,
}

/// Why a record failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallFailure {
    /// The error type's name, `panic`, `timeout`, `rejection`.
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl CallClock {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, is_logged: false }
    }
}

impl Entry {
    pub(super) fn new(source: RecordSource, line: OrderLine, before: u32, state: CallState) -> Self {
        Self {
            source,
            line,
            before,
            attempt: before + 1,
            state,
            call: None,
            due: None,
            manual_ack: None,
            failure: None,
            first: None,
            guard: Guarded::Unseen,
            copies: None,
        }
    }

    /// Changes the state, and returns the one before. Only [`InFlight`](super::in_flight::InFlight) does: it counts them.
    pub(super) fn replace_state(&mut self, state: CallState) -> CallState {
        std::mem::replace(&mut self.state, state)
    }

    pub(super) fn state(&self) -> CallState {
        self.state
    }

    /// Its `Ack` was settled early. Success stays: it may be committed already.
    pub(super) fn note_manual_ack(&mut self, manual_ack: ManualSettlement) {
        if !matches!(self.manual_ack, Some(ManualSettlement::Settled(Verdict::Ack | Verdict::Skip))) {
            self.manual_ack = Some(manual_ack);
        }
    }

    /// Attempts that were made here.
    pub(super) fn attempts_here(&self) -> u32 {
        self.attempt - self.before
    }
}

impl CallState {
    /// Whether others of its line wait for it.
    pub(super) fn keeps_turn(self) -> bool {
        !matches!(self, Self::Confirming | Self::Acking)
    }
}
