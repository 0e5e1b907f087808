//! A record of a lane that did not finish at once: its source, and what it waits for.

use tokio::time::Instant;

use super::copies::Copies;
use super::manual_ack::ManualSettlement;
use super::timers::TimerKind;
use super::turns::OrderLine;
use crate::broker::{PublishError, PublishErrorKind};
use crate::log::bounded;
use crate::record::OwnedRecord;
use crate::result::HandlerError;
use crate::result::Verdict;

/// A record that is kept: running, waiting, held.
pub(super) struct Entry {
    pub(super) source: RecordSource,
    /// The line in which it keeps its order.
    pub(super) line: OrderLine,
    /// Attempts that were made before the record came to this topic.
    pub(super) before: u32,
    /// The attempt: 1 for the first, and earlier ones are counted.
    pub(super) attempt: u32,
    state: CallState,
    /// Its current call, if it did not end at once; for the warning about slow calls.
    pub(super) call: Option<CallClock>,
    /// The timer that it waits for.
    pub(super) due: Option<(Instant, TimerKind)>,
    /// Set if it was settled explicitly before the handler ended, or before its results were confirmed.
    pub(super) manual_ack: Option<ManualSettlement>,
    /// Why it failed the last time.
    pub(super) failure: Option<CallFailure>,
    /// Why it failed the first time here, and when (Unix ms). Recorded if it may move to a retry topic.
    pub(super) first: Option<(CallFailure, i64)>,
    /// Whether the dead-letter guard counted it, or holds it.
    pub(super) guard: Guarded,
    /// The copies that are being published, and what follows their confirmation.
    pub(super) copies: Option<Copies>,
}

/// How long a call takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallClock {
    pub(super) began: Instant,
    /// Whether it was logged as slow.
    pub(super) is_logged: bool,
}

/// The dead-letter guard's decision about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarded {
    Unseen,
    Counted,
    /// Held, and retried this many times since as the probe with which the guard detects that the cause is fixed.
    KeptBack(u32),
}

/// The source of a kept record.
pub(super) enum RecordSource {
    /// In the lane's current batch.
    Batch(usize),
    /// Copied out of the batch.
    Copy(OwnedRecord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallState {
    /// Waits for its turn, or is about to start.
    Waiting,
    /// Waits with its start until the broker confirmed the commit (`AckFirst` with `commit = Each`).
    Committing,
    Running,
    /// Waits until its next attempt.
    Paused,
    /// Its copies wait for their turn to be published, or were refused and wait for the next time.
    Unpublished,
    /// Its copies are in flight, and later records wait.
    Republishing,
    /// Its copies are in flight.
    Confirming,
    /// The handler ended, and its `Ack` is not settled yet.
    Acking,
    Held,
    /// `Stop`: nothing more happens to it in this lane.
    Stopped,
}

/// Why a record failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallFailure {
    /// The error type's name, `panic`, `timeout`, `rejection`.
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl CallFailure {
    pub(super) fn of(error: &HandlerError) -> Self {
        Self { kind: error.kind, message: error.message.clone() }
    }

    pub(super) fn publish(error: &PublishError) -> Self {
        let kind = match error.kind {
            PublishErrorKind::QueueFull => "publish queue full",
            PublishErrorKind::Retriable => "publish refused",
            PublishErrorKind::Denied => "publish denied",
            PublishErrorKind::Permanent => "publish impossible",
        };
        Self { kind, message: bounded(error.to_string()) }
    }
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

    /// Changes the state, and returns the earlier one. Only [`InFlight`](super::in_flight::InFlight) calls it, because
    /// it counts the states.
    pub(super) fn replace_state(&mut self, state: CallState) -> CallState {
        std::mem::replace(&mut self.state, state)
    }

    pub(super) fn state(&self) -> CallState {
        self.state
    }

    /// Records that its `Ack` was settled early. Success stays, because it may be committed already.
    pub(super) fn note_manual_ack(&mut self, manual_ack: ManualSettlement) {
        if !matches!(self.manual_ack, Some(ManualSettlement::Settled(Verdict::Ack | Verdict::Skip))) {
            self.manual_ack = Some(manual_ack);
        }
    }

    /// Returns the number of attempts in this topic.
    pub(super) fn attempts_here(&self) -> u32 {
        self.attempt - self.before
    }
}

impl CallState {
    /// Returns whether other records of its line wait for it.
    pub(super) fn keeps_turn(self) -> bool {
        !matches!(self, Self::Confirming | Self::Acking)
    }
}
