//! The turns of records that keep an order: of a partition (`order = Partition`), or of a key (`order = Key`).
//!
//! A record keeps its turn from its first call until it is finished, with two exceptions: while its copies are in
//! flight (the next call may begin, and the producer keeps the order of its input), and while its `Ack` is unsettled. A
//! refused copy takes the turn again, before all later records: until it is decided, later records neither call their
//! handler nor publish anything. Copies of later records that are already in flight may arrive, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::KeyHash;

/// The line in which a record of a lane keeps its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderLine {
    /// None: it has no key, or no order is configured.
    Alone,
    Lane,
    Key(KeyHash),
}

/// The unfinished records of each line.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lane: Queue,
    /// Present only while the key has work in progress.
    keys: BTreeMap<KeyHash, Queue>,
}

/// The usual queue has at most one record, and allocates nothing.
#[derive(Debug, Default)]
struct Queue {
    /// The earliest record, which has the turn.
    first: Option<i64>,
    rest: BTreeSet<i64>,
    /// How many of them have a running call.
    running: usize,
    /// Copies in flight, including those of records that gave up their turn.
    unconfirmed: usize,
}

impl Turns {
    pub(super) fn first(&self, line: OrderLine) -> Option<i64> {
        self.queue(line)?.first
    }

    /// Returns whether a call of the line runs.
    pub(super) fn is_running(&self, line: OrderLine) -> bool {
        self.queue(line).is_some_and(|queue| queue.running > 0)
    }

    pub(super) fn unconfirmed(&self, line: OrderLine) -> usize {
        self.queue(line).map_or(0, |queue| queue.unconfirmed)
    }

    pub(super) fn join(&mut self, line: OrderLine, offset: i64) {
        let Some(queue) = self.queue_mut(line) else { return };
        match queue.first {
            Some(first) if first < offset => {
                queue.rest.insert(offset);
                return;
            }
            Some(first) => {
                queue.rest.insert(first);
            }
            None => {}
        }
        queue.first = Some(offset);
    }

    /// Removes a record. Returns true if another record has the turn now.
    pub(super) fn leave(&mut self, line: OrderLine, offset: i64) -> bool {
        let Some(queue) = self.queue_mut(line) else { return false };
        if queue.first != Some(offset) {
            queue.rest.remove(&offset);
            return false;
        }
        queue.first = queue.rest.pop_first();
        let is_anybodys = queue.first.is_some();
        self.forget(line);
        is_anybodys
    }

    pub(super) fn begins(&mut self, line: OrderLine) {
        if let Some(queue) = self.queue_mut(line) {
            queue.running += 1;
        }
    }

    pub(super) fn ends(&mut self, line: OrderLine) {
        if let Some(queue) = self.queue_mut(line) {
            queue.running -= 1;
        }
        self.forget(line);
    }

    pub(super) fn sent(&mut self, line: OrderLine) {
        if let Some(queue) = self.queue_mut(line) {
            queue.unconfirmed += 1;
        }
    }

    pub(super) fn answered(&mut self, line: OrderLine) {
        if let Some(queue) = self.queue_mut(line) {
            queue.unconfirmed -= 1;
        }
        self.forget(line);
    }

    fn forget(&mut self, line: OrderLine) {
        if let OrderLine::Key(key) = line
            && self.keys.get(&key).is_some_and(Queue::is_over)
        {
            self.keys.remove(&key);
        }
    }

    fn queue(&self, line: OrderLine) -> Option<&Queue> {
        match line {
            OrderLine::Alone => None,
            OrderLine::Lane => Some(&self.lane),
            OrderLine::Key(key) => self.keys.get(&key),
        }
    }

    fn queue_mut(&mut self, line: OrderLine) -> Option<&mut Queue> {
        match line {
            OrderLine::Alone => None,
            OrderLine::Lane => Some(&mut self.lane),
            OrderLine::Key(key) => Some(self.keys.entry(key).or_default()),
        }
    }
}

impl Queue {
    fn is_over(&self) -> bool {
        self.first.is_none() && self.running == 0 && self.unconfirmed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_has_the_turn_however_late_it_joins() {
        let mut turns = Turns::default();
        let line = OrderLine::Key(KeyHash::of(b"k"));
        for offset in [7, 9, 3] {
            turns.join(line, offset);
        }
        assert_eq!(turns.first(line), Some(3));
        assert!(!turns.leave(line, 7), "it was not its turn");
        assert!(turns.leave(line, 3));
        assert_eq!(turns.first(line), Some(9));
        assert!(!turns.leave(line, 9), "nobody is left");
        assert!(turns.keys.is_empty(), "keys are forgotten");
    }

    #[test]
    fn a_key_is_remembered_while_its_copies_are_on_their_way() {
        let mut turns = Turns::default();
        let line = OrderLine::Key(KeyHash::of(b"k"));
        turns.join(line, 1);
        turns.sent(line);
        turns.leave(line, 1);
        assert_eq!(turns.unconfirmed(line), 1);
        turns.answered(line);
        assert!(turns.keys.is_empty());
    }

    #[test]
    fn a_record_without_order_waits_for_nobody() {
        let mut turns = Turns::default();
        turns.join(OrderLine::Alone, 1);
        assert_eq!(turns.first(OrderLine::Alone), None);
    }
}
