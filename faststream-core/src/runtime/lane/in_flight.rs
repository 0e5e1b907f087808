//! The records of a lane that did not finish at once, and how many of them are in which state.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use slab::Slab;

use super::copies::Purpose;
use super::entry::{CallState, Entry, RecordSource};
use super::turns::{OrderLine, Turns};
use crate::context::{Unfinished, WhyUnfinished};
use crate::record::OwnedRecord;

/// The invariant while a call, a pause, a copy or an `Ack` of a record is open.
const KEPT: &str = "a record is kept until it is finished";
/// The memory of this many entries is kept for reuse.
const SPARE: usize = 1024;

/// The kept records, by offset.
#[derive(Default)]
pub(super) struct InFlight {
    /// The entry of each offset.
    kept: BTreeMap<i64, usize>,
    memory: Slab<Entry>,
    /// The last entry that was looked up, which is often looked up again.
    last: Cell<Option<(i64, usize)>>,
    turns: Turns,
    /// Records whose turn came. Some of them had nothing to wait for.
    woken: VecDeque<i64>,
    /// Records that are in the current batch, and not copied yet.
    fresh: Vec<i64>,
    /// Running calls. Pauses and confirmations do not count against concurrency.
    pub(super) running: usize,
    pub(super) acking: usize,
    pub(super) committing: usize,
}

impl InFlight {
    pub(super) fn insert(&mut self, offset: i64, entry: Entry) {
        let (line, state) = (entry.line, entry.state());
        self.count(state, 1);
        self.fresh.push(offset);
        let number = self.memory.insert(entry);
        self.last.set(Some((offset, number)));
        if let Some(before) = self.kept.insert(offset, number) {
            self.memory.remove(before);
        }
        if state.keeps_turn() {
            self.turns.join(line, offset);
        }
        if state == CallState::Running {
            self.turns.begins(line);
        }
    }

    /// Copies the records of the current batch, by their number there.
    pub(super) fn copy_fresh(&mut self, copy: impl Fn(usize) -> OwnedRecord) {
        let mut fresh = std::mem::take(&mut self.fresh);
        for offset in fresh.drain(..) {
            if let Some(entry) = self.get_mut(offset)
                && let RecordSource::Batch(index) = entry.source
            {
                entry.source = RecordSource::Copy(copy(index));
            }
        }
        self.fresh = fresh;
    }

    pub(super) fn remove(&mut self, offset: i64) -> Option<Entry> {
        self.last.set(None);
        let entry = self.memory.remove(self.kept.remove(&offset)?);
        if self.kept.is_empty() && self.memory.capacity() > SPARE {
            self.memory = Slab::new();
        }
        self.count(entry.state(), -1);
        let next = entry.state().keeps_turn() && self.turns.leave(entry.line, offset);
        if entry.state() == CallState::Running {
            self.turns.ends(entry.line);
        }
        if next {
            self.wake(entry.line);
        } else if entry.state() == CallState::Running {
            self.wake_call(entry.line);
        }
        Some(entry)
    }

    pub(super) fn set(&mut self, offset: i64, state: CallState) {
        let Some(entry) = self.get_mut(offset) else { return };
        let (before, line) = (entry.replace_state(state), entry.line);
        self.count(before, -1);
        self.count(state, 1);
        if line == OrderLine::Alone || before == state {
            return;
        }
        let mut next = false;
        match (before.keeps_turn(), state.keeps_turn()) {
            (true, false) => next = self.turns.leave(line, offset),
            (false, true) => self.turns.join(line, offset),
            _ => {}
        }
        if state == CallState::Running {
            self.turns.begins(line);
        }
        if before == CallState::Running {
            self.turns.ends(line);
        }
        if next {
            self.wake(line);
        } else if before == CallState::Running && self.turns.first(line) != Some(offset) {
            // Not needed for its own turn.
            self.wake_call(line);
        }
    }

    /// Wakes the record whose turn it is.
    fn wake(&mut self, line: OrderLine) {
        let Some(first) = self.turns.first(line) else { return };
        let state = self.get(first).map(Entry::state);
        if matches!(state, Some(CallState::Waiting | CallState::Unpublished)) {
            self.woken.push_back(first);
        }
    }

    /// Wakes the record whose turn it is, after a call of the line ended. Refused copies keep waiting for the end of
    /// their pause.
    fn wake_call(&mut self, line: OrderLine) {
        let Some(first) = self.turns.first(line) else { return };
        if self.get(first).is_some_and(|entry| entry.state() == CallState::Waiting) {
            self.woken.push_back(first);
        }
    }

    /// Returns a record whose turn it is, and that waited for it.
    pub(super) fn next_woken(&mut self) -> Option<i64> {
        self.woken.pop_front()
    }

    /// Returns whether records that keep their order prevent the next one of the line from beginning, or from being
    /// published.
    pub(super) fn is_busy(&self, line: OrderLine, max_unconfirmed: usize) -> bool {
        line != OrderLine::Alone
            && (self.turns.first(line).is_some() || self.turns.unconfirmed(line) >= max_unconfirmed)
    }

    /// Returns whether its copies may be published: every earlier record of its line is finished, or its copies are in
    /// flight.
    pub(super) fn may_publish(&self, offset: i64, line: OrderLine) -> bool {
        // A record that gave up its turn is before the one that has it.
        line == OrderLine::Alone || self.turns.first(line).is_none_or(|first| first >= offset)
    }

    /// Returns whether a refused copy has to wait: a copy of an earlier record of its line has no answer, and was
    /// handed over before the refusal.
    pub(super) fn is_open_before(&self, offset: i64, line: OrderLine) -> bool {
        if self.turns.unconfirmed(line) == 0 {
            return false;
        }
        let Some(refused) = self.get(offset).and_then(|entry| entry.copies.as_ref()?.refused_at()) else {
            return false;
        };
        let is_open =
            |entry: &Entry| entry.copies.as_ref().is_some_and(|copies| copies.is_open_since(refused));
        self.kept.range(..offset).any(|(_, number)| {
            let entry = &self.memory[*number];
            entry.line == line && is_open(entry)
        })
    }

    /// Returns whether its handler may be called: it is its turn, and no other call of its line runs.
    pub(super) fn may_call(&self, offset: i64, line: OrderLine, max_unconfirmed: usize) -> bool {
        if line == OrderLine::Alone {
            return true;
        }
        let is_turn = self.turns.first(line) == Some(offset);
        // A whole lane runs one call at a time, or several by configuration.
        is_turn
            && (line == OrderLine::Lane || !self.turns.is_running(line))
            && self.turns.unconfirmed(line) < max_unconfirmed
    }

    /// Counts a copy of the line that is in flight.
    pub(super) fn sent(&mut self, line: OrderLine) {
        self.turns.sent(line);
    }

    /// Counts a copy of the line that is no longer in flight.
    pub(super) fn answered(&mut self, line: OrderLine, max_unconfirmed: usize) {
        let was_full = self.turns.unconfirmed(line) >= max_unconfirmed;
        self.turns.answered(line);
        if was_full {
            self.wake(line);
        }
    }

    /// Returns how many copies of the line are in flight.
    pub(super) fn unconfirmed(&self, line: OrderLine) -> usize {
        self.turns.unconfirmed(line)
    }

    pub(super) fn get(&self, offset: i64) -> Option<&Entry> {
        self.memory.get(self.number(offset)?)
    }

    pub(super) fn get_mut(&mut self, offset: i64) -> Option<&mut Entry> {
        self.memory.get_mut(self.number(offset)?)
    }

    /// Returns the entry of a record that is known to be kept.
    pub(super) fn entry(&self, offset: i64) -> &Entry {
        self.get(offset).expect(KEPT)
    }

    /// Returns the entry of a record that is known to be kept.
    pub(super) fn entry_mut(&mut self, offset: i64) -> &mut Entry {
        self.get_mut(offset).expect(KEPT)
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

    /// Returns how many records have work that a drain waits for, besides copies.
    pub(super) fn under_way(&self) -> usize {
        self.running + self.acking
    }

    /// Returns what a drain waits for: the first record with work in progress, and how many others there are.
    pub(super) fn left(&self) -> Option<Unfinished> {
        let why = |entry: &Entry| match entry.state() {
            CallState::Running => Some(WhyUnfinished::Call),
            CallState::Acking => Some(WhyUnfinished::Ack),
            _ => {
                entry.copies.as_ref().filter(|copies| copies.is_open()).map(|copies| match copies.purpose() {
                    Purpose::DeadLetter => WhyUnfinished::DeadLetter,
                    Purpose::Retry => WhyUnfinished::Retry,
                    Purpose::Results => WhyUnfinished::Results,
                })
            }
        };
        let mut left = self.iter().filter_map(|(offset, entry)| Some((offset, why(entry)?)));
        let (offset, why) = left.next()?;
        Some(Unfinished { offset, why, others: left.count() })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &Entry)> {
        self.kept.iter().map(|(offset, number)| (*offset, &self.memory[*number]))
    }

    fn count(&mut self, state: CallState, by: isize) {
        let counter = match state {
            CallState::Running => &mut self.running,
            CallState::Acking => &mut self.acking,
            CallState::Committing => &mut self.committing,
            CallState::Waiting
            | CallState::Paused
            | CallState::Unpublished
            | CallState::Republishing
            | CallState::Confirming
            | CallState::Held
            | CallState::Stopped => return,
        };
        *counter = counter.checked_add_signed(by).expect("every state is left as often as entered");
    }
}
