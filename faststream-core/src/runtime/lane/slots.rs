//! The records of a lane that did not finish at once, and how many of them are in which state.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::by_hand::ByHand;
use super::keys::KeyHash;
use super::timers::Kind;
use crate::delivery::OwnedRecord;
use crate::publish::Outgoing;
use crate::runtime::control::{Left, WhyLeft};
use crate::verdict::Verdict;

/// A record that is kept: running, waiting, held.
pub(super) struct Slot {
    pub(super) source: Source,
    pub(super) key: Option<KeyHash>,
    /// It is its key's turn: others of the key wait for it. False while it waits itself, and once its handler is done.
    pub(super) has_key: bool,
    /// Attempts that were made in earlier stages of its retry topics.
    pub(super) before: u32,
    /// 1 for the first attempt, those before counted.
    pub(super) attempt: u32,
    state: State,
    /// When its current call began; for the warning about slow calls.
    pub(super) since: Instant,
    /// It was said that its call takes long.
    pub(super) is_slow: bool,
    /// What it waits for by the clock.
    pub(super) due: Option<(Instant, Kind)>,
    /// Settled by hand before the handler ended, or its results were confirmed.
    pub(super) by_hand: Option<ByHand>,
    /// Why it failed the last time.
    pub(super) failure: Option<Failure>,
    /// Why it failed the first time here, and when (Unix ms); noted if it may go on in a retry topic.
    pub(super) first: Option<(Failure, i64)>,
    /// The dead-letter guard counted it, or keeps it back.
    pub(super) guard: Guarded,
    /// What is being published, kept to be tried again, and what follows its confirmation.
    pub(super) copies: Option<Copies>,
}

/// What the dead-letter guard made of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarded {
    Unseen,
    Counted,
    KeptBack,
}

/// Where a kept record is.
pub(super) enum Source {
    /// In the lane's current batch.
    Batch(usize),
    /// Copied out of it.
    Copy(Box<OwnedRecord>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Behind its key, or about to start.
    Waiting,
    /// Its start waits until the broker confirmed the commit (`AckFirst` with `commit = Each`).
    Committing,
    Running,
    /// Until its next attempt, or until its copies are published again.
    Paused,
    /// Its copies are on their way.
    Confirming,
    /// The handler ended, its `Ack` did not.
    Acking,
    Held,
    /// `Stop`: nothing more happens to it here.
    Stopped,
}

/// Why a record failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The error type's name, `panic`, `timeout`, `rejection`.
    pub(super) kind: &'static str,
    pub(super) message: String,
}

/// Copies of a record on their way: its results, its next stage, or its dead letter.
pub(super) struct Copies {
    /// Not confirmed yet; the bytes are shared, not copied again.
    pub(super) left: Vec<Outgoing>,
    pub(super) purpose: Purpose,
    /// Failures in a row, for the backoff.
    pub(super) failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Results,
    /// It goes on in a retry topic.
    Retry,
    DeadLetter,
}

/// The kept records, by offset.
#[derive(Default)]
pub(super) struct Slots {
    kept: BTreeMap<i64, Slot>,
    /// Calls; pauses and confirmations do not count against concurrency.
    pub(super) running: usize,
    pub(super) confirming: usize,
    pub(super) acking: usize,
    pub(super) committing: usize,
}

impl Slot {
    pub(super) fn new(source: Source, key: Option<KeyHash>, before: u32, state: State) -> Self {
        Self {
            source,
            key,
            has_key: key.is_some(),
            before,
            attempt: before + 1,
            state,
            since: Instant::now(),
            is_slow: false,
            due: None,
            by_hand: None,
            failure: None,
            first: None,
            guard: Guarded::Unseen,
            copies: None,
        }
    }

    /// Whether others of its key forbid that its handler runs.
    pub(super) fn waits_for_key(&self) -> bool {
        self.key.is_some() && !self.has_key
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Its `Ack` was settled early. Success stays: it may be committed already.
    pub(super) fn note_by_hand(&mut self, by_hand: ByHand) {
        if !matches!(self.by_hand, Some(ByHand::Settled(Verdict::Ack | Verdict::Skip))) {
            self.by_hand = Some(by_hand);
        }
    }

    /// Attempts that were made here.
    pub(super) fn attempts_here(&self) -> u32 {
        self.attempt - self.before
    }
}

impl Slots {
    pub(super) fn insert(&mut self, offset: i64, slot: Slot) {
        self.count(slot.state, 1);
        self.kept.insert(offset, slot);
    }

    pub(super) fn remove(&mut self, offset: i64) -> Option<Slot> {
        let slot = self.kept.remove(&offset)?;
        self.count(slot.state, -1);
        Some(slot)
    }

    pub(super) fn set(&mut self, offset: i64, state: State) {
        if let Some(slot) = self.kept.get_mut(&offset) {
            let before = std::mem::replace(&mut slot.state, state);
            self.count(before, -1);
            self.count(state, 1);
        }
    }

    /// Whether it is the record's turn in its key.
    pub(super) fn set_has_key(&mut self, offset: i64, has_key: bool) {
        if let Some(slot) = self.kept.get_mut(&offset) {
            slot.has_key = has_key;
        }
    }

    pub(super) fn get(&self, offset: i64) -> Option<&Slot> {
        self.kept.get(&offset)
    }

    pub(super) fn get_mut(&mut self, offset: i64) -> Option<&mut Slot> {
        self.kept.get_mut(&offset)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Records that forbid the next one in partition order: all but those whose `Ack` is out, and those whose copies
    /// are on their way (the producer keeps their order; should one be refused, it blocks again).
    pub(super) fn blocking(&self) -> usize {
        self.kept.len() - self.acking - self.confirming
    }

    /// Records for which something runs that a drain waits for.
    pub(super) fn under_way(&self) -> usize {
        self.running + self.confirming + self.acking
    }

    /// What a drain waits for: the first record that something runs for, and how many others there are.
    pub(super) fn left(&self) -> Option<Left> {
        let why = |slot: &Slot| match slot.state {
            State::Running => Some(WhyLeft::Call),
            State::Acking => Some(WhyLeft::Ack),
            State::Confirming => Some(match slot.copies.as_ref().map(|copies| copies.purpose) {
                Some(Purpose::DeadLetter) => WhyLeft::DeadLetter,
                Some(Purpose::Retry) => WhyLeft::Retry,
                Some(Purpose::Results) | None => WhyLeft::Results,
            }),
            _ => None,
        };
        let (offset, why) = self.kept.iter().find_map(|(offset, slot)| Some((*offset, why(slot)?)))?;
        Some(Left { offset, why, others: self.under_way() - 1 })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &Slot)> {
        self.kept.iter().map(|(offset, slot)| (*offset, slot))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (i64, &mut Slot)> {
        self.kept.iter_mut().map(|(offset, slot)| (*offset, slot))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.kept.values_mut()
    }

    fn count(&mut self, state: State, by: isize) {
        let counter = match state {
            State::Running => &mut self.running,
            State::Confirming => &mut self.confirming,
            State::Acking => &mut self.acking,
            State::Committing => &mut self.committing,
            State::Waiting | State::Paused | State::Held | State::Stopped => return,
        };
        *counter = counter.checked_add_signed(by).expect("every state is left as often as entered");
    }
}
