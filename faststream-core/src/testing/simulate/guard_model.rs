//! The dead-letter guard, from outside: which dead letters it let through, in a row and among the last records.

use std::collections::VecDeque;

use super::log_index::LogIndex;
use super::model::LaneModel;
use super::record::{Copied, Left};
use crate::policy::{AckPolicy, DeadLetterGuard, Order};
use crate::result::Outcome;
use crate::result::Verdict;

/// What a guard must have counted, along the finished records of an assignment.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    in_a_row: u32,
    /// Why those in a row failed, if all of them for the same reason.
    why: Option<String>,
    /// Which of the last records were dead letters, the newest last.
    last: VecDeque<bool>,
    /// Those before were not decided about in their order.
    from: i64,
    /// The first dead letter that was not to be written, and why not.
    wrong: Option<String>,
}

/// How often a record was given up in one assignment, and why last. More than once is that it was kept back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GivenUp {
    times: u32,
    why: String,
}

/// Kept back, and tried so often without success, a record becomes a dead letter all the same.
const TRIED: u32 = 10;

/// How a record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    Dead(GivenUp),
    /// Not at its first attempt: it may have been kept back by the guard, which counts anew then. From outside that looks
    /// like any other retry.
    AfterAll,
    AtOnce,
}

impl DeadLetters {
    /// A record is tried again whose dead letter was refused for good, maybe behind later ones, as if it came after them.
    pub(super) fn begin_after(&mut self, highest: i64) {
        self.begin_anew();
        self.from = highest + 1;
    }

    fn begin_anew(&mut self) {
        (self.in_a_row, self.why, self.last) = (0, None, VecDeque::new());
    }

    fn count(&mut self, offset: i64, ended: Ended, limit: DeadLetterGuard) {
        if offset < self.from {
            return;
        }
        if ended == Ended::AfterAll {
            self.begin_anew();
            return;
        }
        let is_dead = matches!(ended, Ended::Dead(_));
        if let Ended::Dead(given_up) = ended {
            if let Some(why) = self.refuses(limit).filter(|_| !self.is_bad_itself(&given_up)) {
                self.wrong.get_or_insert(format!("the one of offset {offset} comes after {why}"));
            }
            let is_like_others = self.in_a_row == 0 || self.why.as_ref() == Some(&given_up.why);
            self.why = is_like_others.then_some(given_up.why);
            self.in_a_row += 1;
        } else {
            (self.in_a_row, self.why) = (0, None);
        }
        self.last.push_back(is_dead);
        if self.last.len() > limit.share().1 as usize {
            self.last.pop_front();
        }
    }

    /// Whether a record that was kept back became a dead letter by itself: it failed for another reason than those before
    /// it, or too often.
    fn is_bad_itself(&self, given_up: &GivenUp) -> bool {
        let tries = given_up.times.saturating_sub(1);
        tries >= TRIED || (tries > 0 && self.why.as_ref().is_some_and(|others| *others != given_up.why))
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

impl LaneModel {
    /// The next record of the prefix is finished, by such a copy or otherwise. One that goes on in a retry topic counts
    /// neither way.
    pub(super) fn count_dead(&mut self, offset: i64) {
        let Some(limit) = self.settings.dead_letter_guard else { return };
        let record = self.records.get(&offset);
        let ended = match record.and_then(|record| record.ended_in) {
            Some(Copied::Stage) => return,
            Some(Copied::DeadLetterCount) => {
                Ended::Dead(record.map(|record| record.given_up.clone()).unwrap_or_default())
            }
            None if record.is_some_and(|record| record.attempts > record.before + 1) => Ended::AfterAll,
            None => Ended::AtOnce,
        };
        self.dead_letters.count(offset, ended, limit);
    }

    /// A call ended: whether its record is to become a dead letter, if the guard lets it.
    pub(super) fn count_given_up(&mut self, offset: i64, outcome: &Outcome, log_index: &LogIndex) {
        if !matches!(self.left(offset, log_index), Left::DeadLetterCount(_)) {
            return;
        }
        if let Some(record) = self.records.get_mut(&offset) {
            record.given_up.times += 1;
            record.given_up.why = reason(outcome);
        }
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

/// Why a call failed, the same for records that failed in the same way: numbers differ from record to record.
fn reason(outcome: &Outcome) -> String {
    let (kind, text) = match outcome {
        Outcome::Verdict(Verdict::Reject { reason }) => ("reject", &**reason),
        Outcome::Verdict(_) | Outcome::Publish(_) => ("another attempt", ""),
        Outcome::Failed(error) | Outcome::NotEncodable(error) => (error.kind, &*error.message),
        Outcome::Rejected(rejection) => ("rejection", rejection.message()),
    };
    let text: String = text.chars().take(200).filter(|dead_letter| !dead_letter.is_ascii_digit()).collect();
    format!("{kind}: {text}")
}
