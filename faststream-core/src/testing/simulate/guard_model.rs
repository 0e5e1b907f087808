//! The dead-letter guard from outside: which dead letters it let through, in a row and among the last records.
//!
//! The guard holds a record instead of writing its dead letter once too many of the records before it became dead
//! letters. The model counts along the finished prefix, and reports a dead letter that comes too late. It errs on
//! the side of the guard: whatever may have been a hold looks like a retry, and resets the counts.
//!
//! The limits are settings of the group. By default 50 dead letters in a row, or 90 % of the last 200 records, are
//! the most (`DeadLetterGuard`).

use std::collections::VecDeque;

use super::log_index::LogIndex;
use super::model::LaneModel;
use super::record::{Copied, Left};
use crate::policy::{AckPolicy, DeadLetterGuard, Order};
use crate::result::Outcome;
use crate::result::Verdict;

/// The counts that a guard must have, along the finished records of an assignment.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    /// How many of the last records were dead letters, without another one in between.
    in_a_row: u32,
    /// Why those in a row failed; `None` if for several reasons.
    why: Option<String>,
    /// Which of the last records were dead letters, the newest last. As many as the guard's share counts, at most.
    last: VecDeque<bool>,
    /// The first record offset that counts. The guard did not decide about earlier ones in their order.
    from: i64,
    /// The first dead letter that should not have been written, and the limit that it passed.
    wrong: Option<String>,
}

/// How often the runtime gave up on a record in one assignment. More than once means that it was held in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GivenUp {
    /// How often.
    times: u32,
    /// The reason of the last time, without digits.
    why: String,
}

/// After so many attempts as a held record, without success, it becomes a dead letter in spite of the guard.
const TRIED: u32 = 10;

/// How a record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    /// As a dead letter.
    Dead(GivenUp),
    /// In another way, but not at its first attempt. It may have been held by the guard, whose counts start again
    /// then. From outside that looks like any other retry.
    AfterAll,
    /// In another way, at its first attempt.
    AtOnce,
}

impl DeadLetters {
    /// Starts the counts again behind `highest`: a record begins again whose dead letter was refused for good,
    /// perhaps behind later records that were counted.
    pub(super) fn begin_after(&mut self, highest: i64) {
        self.begin_anew();
        self.from = highest + 1;
    }

    /// Starts the counts again.
    fn begin_anew(&mut self) {
        (self.in_a_row, self.why, self.last) = (0, None, VecDeque::new());
    }

    /// Counts a record that ended. A dead letter must have been allowed by the counts before it.
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

    /// Returns whether a held record became a dead letter in spite of the guard, as it may: it failed for another
    /// reason than those before it, or too often.
    fn is_bad_itself(&self, given_up: &GivenUp) -> bool {
        let tries = given_up.times.saturating_sub(1);
        tries >= TRIED || (tries > 0 && self.why.as_ref().is_some_and(|others| *others != given_up.why))
    }

    /// Returns which limit the next dead letter would pass; `None` if it may be written.
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
    /// Counts the next record of the prefix. A record that moved to a retry topic counts neither way.
    pub(super) fn count_dead(&mut self, offset: i64) {
        let Some(limit) = self.settings.dead_letter_guard else { return };
        let record = self.records.get(&offset);
        let ended = match record.and_then(|record| record.ended_in) {
            Some(Copied::RetryCopy) => return,
            Some(Copied::DeadLetter) => {
                Ended::Dead(record.map(|record| record.given_up.clone()).unwrap_or_default())
            }
            None if record.is_some_and(|record| record.attempts > record.before + 1) => Ended::AfterAll,
            None => Ended::AtOnce,
        };
        self.dead_letters.count(offset, ended, limit);
    }

    /// Notes the reason if an ended call makes its record a dead letter, unless the guard holds it.
    pub(super) fn count_given_up(&mut self, offset: i64, outcome: &Outcome, log_index: &LogIndex) {
        if !matches!(self.left(offset, log_index), Left::DeadLetter(_)) {
            return;
        }
        if let Some(record) = self.records.get_mut(&offset) {
            record.given_up.times += 1;
            record.given_up.why = reason(outcome);
        }
    }

    /// Returns what is wrong with the dead letters of this lane. Only records that are decided in their order show
    /// it from outside: by partition, without manual acks and without results.
    pub(super) fn check_guard(&self) -> Option<String> {
        let subscriber = &self.subscriber;
        let in_order =
            subscriber.spec.order == Order::Partition && subscriber.handler.ack != AckPolicy::Manual;
        let wrong = self
            .dead_letters
            .wrong
            .as_ref()
            .filter(|_| in_order && subscriber.handler.publishes.is_empty())?;
        Some(format!("{}, handler {}: of the dead letters, {wrong}", self.name(), subscriber.handler.name))
    }
}

/// Returns why a call failed, equal for records that failed in the same way: digits, which differ from record to
/// record, are left out.
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
