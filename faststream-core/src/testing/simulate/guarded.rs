//! The dead-letter guard, from outside: which dead letters it let through, in a row and among the last records.

use std::collections::VecDeque;

use super::account::LaneAccount;
use super::record::Copied;
use crate::policy::{AckPolicy, DeadLetterGuard, Order};

/// What a guard must have counted, along the finished records of an assignment.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    in_a_row: u32,
    /// Which of the last records were dead letters, the newest last.
    last: VecDeque<bool>,
    /// Those before were not decided about in their order.
    from: i64,
    /// The first dead letter that was not to be written, and why not.
    wrong: Option<String>,
}

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Dead,
    /// Not at its first attempt: it may have been kept back by the guard, which counts anew then. From outside that looks
    /// like any other retry.
    AfterAll,
    AtOnce,
}

impl DeadLetters {
    /// A record is tried again behind later ones, as if it came after them: its dead letter was refused for good.
    pub(super) fn overtaken(&mut self, highest: i64) {
        (self.in_a_row, self.last, self.from) = (0, VecDeque::new(), highest + 1);
    }

    fn count(&mut self, offset: i64, ended: Ended, limit: DeadLetterGuard) {
        if offset < self.from {
            return;
        }
        if ended == Ended::AfterAll {
            (self.in_a_row, self.last) = (0, VecDeque::new());
            return;
        }
        let is_dead = ended == Ended::Dead;
        if is_dead && let Some(why) = self.refuses(limit) {
            self.wrong.get_or_insert(format!("the one of offset {offset} comes after {why}"));
        }
        self.in_a_row = if is_dead { self.in_a_row + 1 } else { 0 };
        self.last.push_back(is_dead);
        if self.last.len() > limit.share().1 as usize {
            self.last.pop_front();
        }
    }

    /// Why the next record may not become a dead letter.
    fn refuses(&self, limit: DeadLetterGuard) -> Option<String> {
        if self.in_a_row >= limit.in_a_row() {
            return Some(format!("{} in a row, of {}", self.in_a_row, limit.in_a_row()));
        }
        let (percent, of) = limit.share();
        let dead = self.last.iter().filter(|is_dead| **is_dead).count();
        let many = self.last.len() == of as usize && dead * 100 >= percent as usize * of as usize;
        many.then(|| format!("{dead} among the last {of} records, of {percent} %"))
    }
}

impl LaneAccount {
    /// The next record of the prefix is finished, by such a copy or otherwise. One that goes on in a retry topic counts
    /// neither way.
    pub(super) fn count_dead(&mut self, offset: i64) {
        let Some(limit) = self.settings.dead_letter_guard else { return };
        let record = self.records.get(&offset);
        let ended = match record.and_then(|record| record.ended_in) {
            Some(Copied::Stage) => return,
            Some(Copied::Letter) => Ended::Dead,
            None if record.is_some_and(|record| record.attempts > record.before + 1) => Ended::AfterAll,
            None => Ended::AtOnce,
        };
        self.dead_letters.count(offset, ended, limit);
    }

    /// What is wrong with it. Only where records are decided about in their order does one see it from outside.
    pub(super) fn check_guard(&self) -> Option<String> {
        let subscriber = &self.subscriber;
        let in_order = subscriber.order == Order::Partition && subscriber.ack != AckPolicy::Manual;
        let wrong =
            self.dead_letters.wrong.as_ref().filter(|_| in_order && subscriber.publishes.is_empty())?;
        Some(format!("{}, handler {}: of the dead letters, {wrong}", self.name(), subscriber.handler))
    }
}
