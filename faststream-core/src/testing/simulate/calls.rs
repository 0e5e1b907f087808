//! Calls of handlers: what may begin beside what, and what came of them.

use std::sync::Arc;

use tokio::time::Instant;

use super::account::LaneAccount;
use super::checker::Account;
use super::evidence::{Evidence, Proof};
use super::promise::Promise;
use super::record::{Left, RecordAccount};
use crate::app::{CallBegin, CallReport, SettledByHand};
use crate::delivery::Outcome;
use crate::policy::{AckPolicy, Commit};

impl Account {
    pub(super) fn begins(&mut self, begin: &CallBegin<'_>) {
        let CallBegin { handler, lane, offset, attempt } = *begin;
        self.calls += 1;
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let number = account.number;
        let tp = account.name();
        let before = account.attempts_before(offset, &self.evidence);
        if account.open >= account.subscriber.concurrency {
            account.advance(offset, &mut self.evidence, Proof::Said);
        }
        let wrong = check_begin(account, &self.evidence, offset, attempt, self.began);
        let origin = account.origin(offset);
        let (ack, commit) = (account.subscriber.ack, account.subscriber.commit);
        let is_new = attempt == before + 1;
        let letter = account.letter(offset, &self.evidence);
        let record = account.records.entry(offset).or_insert_with(|| RecordAccount::after(before));
        let is_refused = !is_new && self.evidence.was_refused(&[letter], &record.letters);
        record.begin();
        account.open += 1;
        let was_overtaken = account.highest > offset && !is_new;
        account.highest = account.highest.max(offset);
        if was_overtaken || is_refused {
            account.dead_letters.begin_after(account.highest);
        }
        account.stuck = None;
        if matches!(ack, AckPolicy::AckFirst | AckPolicy::Ack) {
            self.settled.insert(origin.clone());
        }
        let committed = account.accepted > offset;
        self.note(("begins", number, offset, attempt), || {
            format!("{handler} begins {tp} offset {offset}, attempt {attempt} (lane {number})")
        });
        if let Some((promise, what)) = wrong {
            self.violated(
                promise,
                format!("{tp}, offset {offset}, handler {handler}, attempt {attempt}: {what}"),
            );
        }
        if ack == AckPolicy::AckFirst && commit == Commit::Each && is_new {
            let what = if !committed {
                "it was called before its commit"
            } else if self.begun_once.contains(&origin) {
                "it was called a second time"
            } else {
                self.begun_once.insert(origin);
                return;
            };
            self.violated(Promise::AtMostOnce, format!("{tp}, offset {offset}, handler {handler}: {what}"));
        }
    }

    pub(super) fn called(&mut self, report: &CallReport<'_>) {
        let CallReport { handler, lane, topic, partition, offset, attempt, outcome, .. } = *report;
        let happened = self.number();
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let number = account.number;
        let letter = account.letter(offset, &self.evidence);
        let step = account.next_step(offset, attempt, &self.evidence);
        let record = account.records.entry(offset).or_default();
        let known = record.open && record.attempts == attempt;
        record.end(outcome, &self.evidence, letter, step);
        record.order.decided(happened);
        account.open = account.open.saturating_sub(1);
        account.expect_copies(offset, &mut self.evidence);
        account.count_given_up(offset, outcome, &self.evidence);
        if let Some(step) = step {
            self.may_go_on(step);
        }
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        account.stuck = None;
        self.note(("called", number, offset, attempt, std::mem::discriminant(outcome)), || {
            let what = describe(outcome);
            format!("{handler} ends {topic}/{partition} offset {offset}, attempt {attempt}: {what} (lane {number})")
        });
        if self.plain.keys().any(|(_, of, at)| (*of, *at) == (lane, offset)) {
            let sentence = format!(
                "{topic}/{partition}, offset {offset}, handler {handler}: attempt {attempt} ended, and its function still runs"
            );
            self.violated(Promise::Order, sentence);
        }
        if !known {
            let sentence = format!(
                "{topic}/{partition}, offset {offset}, handler {handler}: attempt {attempt} ended, and was never given \
                 this record"
            );
            self.violated(Promise::Order, sentence);
        }
    }

    /// Whether a handler returned whose `Ack` is still out.
    pub(super) fn are_acks_out(&self) -> bool {
        let alive = self.lanes.values().filter(|lane| !lane.over);
        let mut records = alive.flat_map(|lane| lane.records.keys().map(move |offset| (lane, *offset)));
        records.any(|(lane, offset)| lane.left(offset, &self.evidence) == Left::Ack)
    }

    /// A plain function begins: only now, however long it waited for a thread.
    pub(super) fn plain_begins(&mut self, instance: u64, begin: &CallBegin<'_>) {
        let CallBegin { handler, lane, offset, attempt } = *begin;
        let Some(account) = self.lanes.get(&lane) else { return };
        let (number, over, tp, origin) =
            (account.number, account.over, account.name(), account.origin(offset));
        self.note(("plain begins", number, offset, attempt), || {
            format!("{handler} has a thread for {tp} offset {offset}, attempt {attempt} (lane {number})")
        });
        let running = self.plain.iter().find(|((of, ..), other)| *of == instance && **other == origin);
        let sentence = format!("{tp}, offset {offset}, handler {handler}, attempt {attempt}:");
        if over {
            let sentence = format!("{sentence} its function begins after the end of its assignment");
            self.violated(Promise::StaleHasNoEffect, sentence);
        } else if running.is_some() {
            self.violated(Promise::Order, format!("{sentence} the function of its last attempt still runs"));
        }
        self.plain.insert((instance, lane, offset), origin);
    }

    /// A plain function ended, whether its assignment is over or not.
    pub(super) fn plain_ended(&mut self, instance: u64, begin: &CallBegin<'_>) {
        let CallBegin { handler, lane, offset, attempt } = *begin;
        self.plain.remove(&(instance, lane, offset));
        let Some(account) = self.lanes.get(&lane) else { return };
        let (number, tp) = (account.number, account.name());
        self.note(("plain ends", number, offset, attempt), || {
            format!("{handler} leaves its thread at {tp} offset {offset}, attempt {attempt} (lane {number})")
        });
    }

    pub(super) fn settled_by_hand(&mut self, settled: &SettledByHand<'_>) {
        let SettledByHand { lane, offset, attempt, verdict, accepted, durable } = *settled;
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let (number, over, tp) = (account.number, account.over, account.name());
        let handler = Arc::clone(&account.subscriber.handler);
        let letters = self.evidence.copies_now(&[account.letter(offset, &self.evidence)]);
        account.stuck = None;
        if accepted && let Some(record) = account.records.get_mut(&offset) {
            record.settle(attempt, verdict, letters, durable);
        }
        self.note(("by hand", number, offset, accepted), || {
            let answer = if accepted { "" } else { ", which is too late" };
            format!("{tp} offset {offset} is settled by hand, {verdict:?}{answer} (lane {number})")
        });
        if accepted && over {
            let sentence = format!(
                "{tp}, offset {offset}, handler {handler}: an `Ack` was accepted after the end of its assignment"
            );
            self.violated(Promise::StaleHasNoEffect, sentence);
        }
    }
}

/// Whether this call may begin now.
fn check_begin(
    account: &mut LaneAccount,
    evidence: &Evidence,
    offset: i64,
    attempt: u32,
    began: Instant,
) -> Option<(Promise, String)> {
    if account.over {
        return Some((Promise::StaleHasNoEffect, "it begins after the end of its assignment".into()));
    }
    let stages = account.attempts_before(offset, evidence);
    let is_first = attempt == stages + 1;
    let waits = account.waits(offset, evidence, began);
    if is_first && !waits.is_zero() {
        return Some((Promise::DelaysKept, format!("it is due in {waits:?}")));
    }
    let before = account.records.get(&offset);
    if before.is_some_and(|record| record.open) {
        return Some((Promise::Order, "its last attempt still runs".into()));
    }
    if before.map_or(stages, |record| record.attempts) + 1 != attempt {
        return Some((
            Promise::Order,
            "this is not the record that is to be tried again: another was read".into(),
        ));
    }
    let concurrency = account.subscriber.concurrency.max(1);
    if account.open >= concurrency && !account.others_wait_for(offset) {
        return Some((Promise::Order, format!("{} calls run already, of {concurrency}", account.open)));
    }
    for (other, record) in account.neighbours(offset, evidence) {
        if record.open {
            return Some((Promise::Order, format!("the call for offset {other} still runs")));
        }
        if is_first && other > offset {
            return Some((Promise::Order, format!("offset {other} began before it")));
        }
        if account.is_refused(other, evidence) && other < offset {
            return Some((Promise::Order, format!("offset {other} is before it, and its copy was refused")));
        }
        if (is_first || other < offset) && account.forbids(other, evidence) {
            let why = account.describe(other, evidence);
            return Some((Promise::Order, format!("offset {other} is before it: {why}")));
        }
    }
    check_brake(account, offset).filter(|_| is_first)
}

fn check_brake(account: &LaneAccount, offset: i64) -> Option<(Promise, String)> {
    let ahead = offset - account.accepted;
    let most = i64::try_from(account.settings.max_uncommitted).unwrap_or(i64::MAX);
    let (since, highest) = account.braked?;
    let is_late = since < Instant::now() && offset > highest;
    (ahead >= most && is_late)
        .then(|| (Promise::Brake, format!("it is {ahead} records beyond the last commit, of {most}")))
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Verdict(verdict) => format!("{verdict:?}"),
        Outcome::Publish(copies) => format!("{} to publish", copies.len()),
        Outcome::Failed(error) | Outcome::NotEncodable(error) => format!("failed: {}", error.message),
        Outcome::Rejected(rejection) => format!("could not be read: {}", rejection.message()),
    }
}
