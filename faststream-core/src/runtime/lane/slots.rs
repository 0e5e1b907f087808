//! The records of a lane that did not finish at once, and how many of them are in which state.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use slab::Slab;
use tokio::time::Instant;

use super::by_hand::ByHand;
use super::output::{Copies, Purpose};
use super::timers::Kind;
use super::turns::{Line, Turns};
use crate::delivery::OwnedRecord;
use crate::runtime::left::{Left, WhyLeft};
#[cfg(feature = "planted-bugs")]
use crate::runtime::planted::{self, Planted};
use crate::verdict::Verdict;

/// A record that is kept: running, waiting, held.
pub(super) struct Slot {
    pub(super) source: Source,
    /// Among which it keeps its order.
    pub(super) line: Line,
    /// Attempts that were made in earlier stages of its retry topics.
    pub(super) before: u32,
    /// 1 for the first attempt, those before counted.
    pub(super) attempt: u32,
    state: State,
    /// When its current call began, if it did not end at once; for the warning about slow calls.
    pub(super) since: Option<Instant>,
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
    /// What is being published, and what follows its confirmation.
    pub(super) copies: Option<Copies>,
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
pub(super) enum Source {
    /// In the lane's current batch.
    Batch(usize),
    /// Copied out of it.
    Copy(OwnedRecord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
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
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The error type's name, `panic`, `timeout`, `rejection`.
    pub(super) kind: &'static str,
    pub(super) message: String,
}

/// The memory of so many slots stays for the next ones.
const SPARE: usize = 1024;

/// The kept records, by offset.
#[derive(Default)]
pub(super) struct Slots {
    /// Where the record of an offset is.
    kept: BTreeMap<i64, usize>,
    memory: Slab<Slot>,
    /// The one that was looked for last, which most often is looked for again.
    last: Cell<Option<(i64, usize)>>,
    turns: Turns,
    /// Records whose turn came, of which some had nothing to wait for.
    woken: VecDeque<i64>,
    /// Calls; pauses and confirmations do not count against concurrency.
    pub(super) running: usize,
    pub(super) acking: usize,
    pub(super) committing: usize,
}

impl Slot {
    pub(super) fn new(source: Source, line: Line, before: u32, state: State) -> Self {
        Self {
            source,
            line,
            before,
            attempt: before + 1,
            state,
            since: None,
            is_slow: false,
            due: None,
            by_hand: None,
            failure: None,
            first: None,
            guard: Guarded::Unseen,
            copies: None,
        }
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

impl State {
    /// Whether others of its line wait for it.
    fn keeps_turn(self) -> bool {
        !matches!(self, Self::Confirming | Self::Acking)
    }
}

impl Slots {
    pub(super) fn insert(&mut self, offset: i64, slot: Slot) {
        let (line, state) = (slot.line, slot.state);
        self.count(state, 1);
        let number = self.memory.insert(slot);
        self.last.set(Some((offset, number)));
        if let Some(before) = self.kept.insert(offset, number) {
            self.memory.remove(before);
        }
        if state.keeps_turn() {
            self.turns.join(line, offset);
        }
        if state == State::Running {
            self.turns.begins(line);
        }
    }

    pub(super) fn remove(&mut self, offset: i64) -> Option<Slot> {
        self.last.set(None);
        let slot = self.memory.remove(self.kept.remove(&offset)?);
        if self.kept.is_empty() && self.memory.capacity() > SPARE {
            self.memory = Slab::new();
        }
        self.count(slot.state, -1);
        let next = slot.state.keeps_turn() && self.turns.leave(slot.line, offset);
        if slot.state == State::Running {
            self.turns.ends(slot.line);
        }
        if next {
            self.wake(slot.line);
        } else if slot.state == State::Running {
            self.wake_call(slot.line);
        }
        Some(slot)
    }

    pub(super) fn set(&mut self, offset: i64, state: State) {
        let Some(slot) = self.get_mut(offset) else { return };
        let (before, line) = (std::mem::replace(&mut slot.state, state), slot.line);
        self.count(before, -1);
        self.count(state, 1);
        if line == Line::Alone || before == state {
            return;
        }
        let mut next = false;
        match (before.keeps_turn(), state.keeps_turn()) {
            (true, false) => next = self.turns.leave(line, offset),
            (false, true) => self.turns.join(line, offset),
            _ => {}
        }
        if state == State::Running {
            self.turns.begins(line);
        }
        if before == State::Running {
            self.turns.ends(line);
        }
        if next {
            self.wake(line);
        } else if before == State::Running && self.turns.first(line) != Some(offset) {
            // Its own turn is no news to it.
            self.wake_call(line);
        }
    }

    /// Whoever's turn it is may begin what it waits for.
    fn wake(&mut self, line: Line) {
        let Some(first) = self.turns.first(line) else { return };
        let state = self.get(first).map(|slot| slot.state);
        if matches!(state, Some(State::Waiting | State::Unpublished)) {
            self.woken.push_back(first);
        }
    }

    /// A call of the line ended: whoever's turn it is may call. Refused copies go on waiting for the end of their pause.
    fn wake_call(&mut self, line: Line) {
        let Some(first) = self.turns.first(line) else { return };
        if self.get(first).is_some_and(|slot| slot.state == State::Waiting) {
            self.woken.push_back(first);
        }
    }

    /// A record whose turn it is, and that waited for it.
    pub(super) fn next_woken(&mut self) -> Option<i64> {
        self.woken.pop_front()
    }

    /// Whether records that keep their order forbid that the next one of the line begins, or is published.
    pub(super) fn is_busy(&self, line: Line, max_unconfirmed: usize) -> bool {
        line != Line::Alone
            && (self.turns.first(line).is_some() || self.turns.unconfirmed(line) >= max_unconfirmed)
    }

    /// Whether its copies may be published: every earlier one of its line is done, or on its way.
    pub(super) fn may_publish(&self, offset: i64, line: Line) -> bool {
        #[cfg(feature = "planted-bugs")]
        if planted::is_planted(Planted::RepublishAlone) {
            return true;
        }
        // A record that gave its turn away is before whoever has it.
        line == Line::Alone || self.turns.first(line).is_none_or(|first| first >= offset)
    }

    /// Whether a refused copy has to wait: one of an earlier record of its line has no answer, and was handed over before
    /// the refusal.
    pub(super) fn is_open_before(&self, offset: i64, line: Line) -> bool {
        if self.turns.unconfirmed(line) == 0 {
            return false;
        }
        let Some(refused) = self.get(offset).and_then(|slot| slot.copies.as_ref()?.refused_at()) else {
            return false;
        };
        let is_open = |slot: &Slot| slot.copies.as_ref().is_some_and(|copies| copies.is_open_since(refused));
        self.kept.range(..offset).any(|(_, number)| {
            let slot = &self.memory[*number];
            slot.line == line && is_open(slot)
        })
    }

    /// Whether its handler may be called: it is its turn, and no other call of its line runs.
    pub(super) fn may_call(&self, offset: i64, line: Line, max_unconfirmed: usize) -> bool {
        #[cfg(feature = "planted-bugs")]
        if planted::is_planted(Planted::KeepKey) && line != Line::Lane && self.is_kept_by_later(offset, line)
        {
            return false;
        }
        if line == Line::Alone {
            return true;
        }
        let is_turn = self.turns.first(line) == Some(offset);
        #[cfg(feature = "planted-bugs")]
        let is_turn = is_turn || planted::is_planted(Planted::RepublishAlone);
        // Of a whole lane one call runs at a time, or several by intent.
        is_turn
            && (line == Line::Lane || !self.turns.is_running(line))
            && self.turns.unconfirmed(line) < max_unconfirmed
    }

    #[cfg(feature = "planted-bugs")]
    fn is_kept_by_later(&self, offset: i64, line: Line) -> bool {
        let mut later = self.kept.range(offset + 1..).map(|(_, number)| &self.memory[*number]);
        later.any(|slot| slot.line == line && matches!(slot.state, State::Held | State::Paused))
    }

    /// A copy of the line is on its way.
    pub(super) fn sent(&mut self, line: Line) {
        self.turns.sent(line);
    }

    /// It is not any more.
    pub(super) fn answered(&mut self, line: Line, max_unconfirmed: usize) {
        let was_full = self.turns.unconfirmed(line) >= max_unconfirmed;
        self.turns.answered(line);
        if was_full {
            self.wake(line);
        }
    }

    /// How many copies of the line are on their way.
    pub(super) fn unconfirmed(&self, line: Line) -> usize {
        self.turns.unconfirmed(line)
    }

    pub(super) fn get(&self, offset: i64) -> Option<&Slot> {
        self.memory.get(self.number(offset)?)
    }

    pub(super) fn get_mut(&mut self, offset: i64) -> Option<&mut Slot> {
        self.memory.get_mut(self.number(offset)?)
    }

    fn number(&self, offset: i64) -> Option<usize> {
        if let Some((last, number)) = self.last.get()
            && last == offset
        {
            return Some(number);
        }
        let number = *self.kept.get(&offset)?;
        self.last.set(Some((offset, number)));
        Some(number)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Records for which something runs that a drain waits for, beside copies.
    pub(super) fn under_way(&self) -> usize {
        self.running + self.acking
    }

    /// What a drain waits for: the first record that something runs for, and how many others there are.
    pub(super) fn left(&self) -> Option<Left> {
        let why = |slot: &Slot| match slot.state {
            State::Running => Some(WhyLeft::Call),
            State::Acking => Some(WhyLeft::Ack),
            _ => {
                slot.copies.as_ref().filter(|copies| copies.is_open()).map(|copies| match copies.purpose() {
                    Purpose::DeadLetter => WhyLeft::DeadLetter,
                    Purpose::Retry => WhyLeft::Retry,
                    Purpose::Results => WhyLeft::Results,
                })
            }
        };
        let mut left = self.iter().filter_map(|(offset, slot)| Some((offset, why(slot)?)));
        let (offset, why) = left.next()?;
        Some(Left { offset, why, others: left.count() })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &Slot)> {
        self.kept.iter().map(|(offset, number)| (*offset, &self.memory[*number]))
    }

    fn count(&mut self, state: State, by: isize) {
        let counter = match state {
            State::Running => &mut self.running,
            State::Acking => &mut self.acking,
            State::Committing => &mut self.committing,
            State::Waiting
            | State::Paused
            | State::Unpublished
            | State::Republishing
            | State::Confirming
            | State::Held
            | State::Stopped => return,
        };
        *counter = counter.checked_add_signed(by).expect("every state is left as often as entered");
    }
}
