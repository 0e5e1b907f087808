//! The calls of handlers in the model: which may begin beside which others, and how they ended.
//!
//! It checks promise 8 (order, and no two attempts of a record at once), promise 7 (nothing begins for a lane that
//! ended), promise 11 (the brake), `AckFirst` at most once, and the delays of retry topics. Called by the observer
//! of an instance, at the moment when the runtime begins or ends a call.

use std::sync::Arc;

use tokio::time::Instant;

use super::checker::Model;
use super::log_index::{LogIndex, Proof};
use super::model::LaneModel;
use super::promise::Promise;
use super::record::{Left, RecordModel};
use crate::context::{CallBegin, CallReport, ManuallySettled};
use crate::policy::{AckPolicy, Commit};
use crate::result::Outcome;

impl Model {
    /// Checks the begin of a call, and adds it to the model.
    ///
    /// With an ack policy that promises only a begin, the record counts as settled from here on.
    pub(super) fn begins(&mut self, begin: &CallBegin<'_>) {
        let CallBegin { handler, lane, offset, attempt } = *begin;
        self.calls += 1;
        let Some(model) = self.lanes.get_mut(&lane) else { return };
        let number = model.number;
        let tp = model.name();
        let before = model.attempts_before(offset, &self.log_index);
        if model.open >= model.subscriber.spec.concurrency {
            model.advance(offset, &mut self.log_index, Proof::Assumed);
        }
        let wrong = check_begin(model, &self.log_index, offset, attempt, self.began);
        let origin = model.origin(offset);
        let (ack, commit) = (model.subscriber.handler.ack, model.subscriber.spec.commit);
        let is_new = attempt == before + 1;
        let dead_letter = model.dead_letter(offset, &self.log_index);
        let record = model.records.entry(offset).or_insert_with(|| RecordModel::after(before));
        let is_refused = !is_new && self.log_index.was_refused(&[dead_letter], &record.letters);
        record.begin();
        model.open += 1;
        let was_overtaken = model.highest > offset && !is_new;
        model.highest = model.highest.max(offset);
        if was_overtaken || is_refused {
            model.dead_letters.begin_after(model.highest);
        }
        model.stuck = None;
        if matches!(ack, AckPolicy::AckFirst | AckPolicy::Ack) {
            self.settled.insert(origin.clone());
        }
        let committed = model.accepted > offset;
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

    /// Adds the end of a call: its outcome, and the copies that may come of it. The call must have begun, and a
    /// plain function must have left its thread.
    pub(super) fn called(&mut self, report: &CallReport<'_>) {
        let CallReport { handler, lane, topic, partition, offset, attempt, outcome, .. } = *report;
        let happened = self.number();
        let Some(model) = self.lanes.get_mut(&lane) else { return };
        let number = model.number;
        let dead_letter = model.dead_letter(offset, &self.log_index);
        let step = model.next_step(offset, attempt, &self.log_index);
        let record = model.records.entry(offset).or_default();
        let known = record.open && record.attempts == attempt;
        record.end(outcome, &self.log_index, dead_letter, step);
        record.order.decided(happened);
        model.open = model.open.saturating_sub(1);
        model.expect_copies(offset, &mut self.log_index);
        model.count_given_up(offset, outcome, &self.log_index);
        if let Some(step) = step {
            self.may_go_on(step);
        }
        let Some(model) = self.lanes.get_mut(&lane) else { return };
        model.stuck = None;
        self.note(("called", number, offset, attempt, std::mem::discriminant(outcome)), || {
            let what = describe(outcome);
            format!("{handler} ends {topic}/{partition} offset {offset}, attempt {attempt}: {what} (lane {number})")
        });
        if self.plain.keys().any(|(_, of, at)| (*of, *at) == (lane, offset)) {
            let message = format!(
                "{topic}/{partition}, offset {offset}, handler {handler}: attempt {attempt} ended, and its function still runs"
            );
            self.violated(Promise::Order, message);
        }
        if !known {
            let message = format!(
                "{topic}/{partition}, offset {offset}, handler {handler}: attempt {attempt} ended, and was never given \
                 this record"
            );
            self.violated(Promise::Order, message);
        }
    }

    /// Returns whether a handler returned without settling its ack, and the lane still exists.
    pub(super) fn are_acks_out(&self) -> bool {
        let alive = self.lanes.values().filter(|lane| !lane.over);
        let mut records = alive.flat_map(|lane| lane.records.keys().map(move |offset| (lane, *offset)));
        records.any(|(lane, offset)| lane.left(offset, &self.log_index) == Left::Ack)
    }

    /// Checks the begin of a plain function on its thread, which may be long after the begin of its call: the lane
    /// must still exist, and no earlier attempt of the record may run in this instance.
    pub(super) fn plain_begins(&mut self, instance: u64, begin: &CallBegin<'_>) {
        let CallBegin { handler, lane, offset, attempt } = *begin;
        let Some(model) = self.lanes.get(&lane) else { return };
        let (number, over, tp, origin) = (model.number, model.over, model.name(), model.origin(offset));
        self.note(("plain begins", number, offset, attempt), || {
            format!("{handler} has a thread for {tp} offset {offset}, attempt {attempt} (lane {number})")
        });
        let running = self.plain.iter().find(|((of, ..), other)| *of == instance && **other == origin);
        let message = format!("{tp}, offset {offset}, handler {handler}, attempt {attempt}:");
        if over {
            let message = format!("{message} its function begins after the end of its assignment");
            self.violated(Promise::StaleHasNoEffect, message);
        } else if running.is_some() {
            self.violated(Promise::Order, format!("{message} the function of its last attempt still runs"));
        }
        self.plain.insert((instance, lane, offset), origin);
    }

    /// Notes that a plain function left its thread. It may outlive its lane, so nothing is checked.
    pub(super) fn plain_ended(&mut self, instance: u64, begin: &CallBegin<'_>) {
        let CallBegin { handler, lane, offset, attempt } = *begin;
        self.plain.remove(&(instance, lane, offset));
        let Some(model) = self.lanes.get(&lane) else { return };
        let (number, tp) = (model.number, model.name());
        self.note(("plain ends", number, offset, attempt), || {
            format!("{handler} leaves its thread at {tp} offset {offset}, attempt {attempt} (lane {number})")
        });
    }

    /// Adds a manual settlement. The runtime must refuse one whose lane has ended.
    pub(super) fn manually_settled(&mut self, settled: &ManuallySettled<'_>) {
        let ManuallySettled { lane, offset, attempt, verdict, accepted, durable } = *settled;
        let Some(model) = self.lanes.get_mut(&lane) else { return };
        let (number, over, tp) = (model.number, model.over, model.name());
        let handler = Arc::clone(&model.subscriber.handler.name);
        let letters = self.log_index.copies_now(&[model.dead_letter(offset, &self.log_index)]);
        model.stuck = None;
        if accepted && let Some(record) = model.records.get_mut(&offset) {
            record.settle(attempt, verdict, letters, durable);
        }
        self.note(("by hand", number, offset, accepted), || {
            let answer = if accepted { "" } else { ", which is too late" };
            format!("{tp} offset {offset} is settled by hand, {verdict:?}{answer} (lane {number})")
        });
        if accepted && over {
            let message = format!(
                "{tp}, offset {offset}, handler {handler}: an `Ack` was accepted after the end of its assignment"
            );
            self.violated(Promise::StaleHasNoEffect, message);
        }
    }
}

/// Returns the promise that the begin of this call breaks, and why; `None` if it may begin.
///
/// Checked in this order: the lane exists, the record is due, its last attempt has ended, the attempt is the next
/// one, the concurrency allows it, and no neighbour in its order forbids it. A first attempt also has to respect
/// later neighbours and the brake.
fn check_begin(
    model: &mut LaneModel,
    log_index: &LogIndex,
    offset: i64,
    attempt: u32,
    began: Instant,
) -> Option<(Promise, String)> {
    if model.over {
        return Some((Promise::StaleHasNoEffect, "it begins after the end of its assignment".into()));
    }
    let stages = model.attempts_before(offset, log_index);
    let is_first = attempt == stages + 1;
    let waits = model.waits(offset, log_index, began);
    if is_first && !waits.is_zero() {
        return Some((Promise::DelaysKept, format!("it is due in {waits:?}")));
    }
    let before = model.records.get(&offset);
    if before.is_some_and(|record| record.open) {
        return Some((Promise::Order, "its last attempt still runs".into()));
    }
    if before.map_or(stages, |record| record.attempts) + 1 != attempt {
        return Some((
            Promise::Order,
            "this is not the record that is to be tried again: another was read".into(),
        ));
    }
    let concurrency = model.subscriber.spec.concurrency.max(1);
    if model.open >= concurrency && !model.others_wait_for(offset) {
        return Some((Promise::Order, format!("{} calls run already, of {concurrency}", model.open)));
    }
    for (other, record) in model.neighbours(offset, log_index) {
        if record.open {
            return Some((Promise::Order, format!("the call for offset {other} still runs")));
        }
        if is_first && other > offset {
            return Some((Promise::Order, format!("offset {other} began before it")));
        }
        if model.is_refused(other, log_index) && other < offset {
            return Some((Promise::Order, format!("offset {other} is before it, and its copy was refused")));
        }
        if (is_first || other < offset) && model.forbids(other, log_index) {
            let why = model.describe(other, log_index);
            return Some((Promise::Order, format!("offset {other} is before it: {why}")));
        }
    }
    check_brake(model, offset).filter(|_| is_first)
}

/// Returns a violation if a first attempt begins although the brake must be on: too many records are beyond the
/// last commit, since a moment before this one.
fn check_brake(model: &LaneModel, offset: i64) -> Option<(Promise, String)> {
    let ahead = offset - model.accepted;
    let most = i64::try_from(model.settings.max_uncommitted).unwrap_or(i64::MAX);
    let (since, highest) = model.braked?;
    let is_late = since < Instant::now() && offset > highest;
    (ahead >= most && is_late)
        .then(|| (Promise::Brake, format!("it is {ahead} records beyond the last commit, of {most}")))
}

/// Returns the outcome of a call, for the timeline.
fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Verdict(verdict) => format!("{verdict:?}"),
        Outcome::Publish(copies) => format!("{} to publish", copies.len()),
        Outcome::Failed(error) | Outcome::NotEncodable(error) => format!("failed: {}", error.message),
        Outcome::Rejected(rejection) => format!("could not be read: {}", rejection.message()),
    }
}
