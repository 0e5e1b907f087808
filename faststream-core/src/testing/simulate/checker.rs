//! Watches a run: keeps its own account of it, and holds the runtime to its promises at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::account::LaneAccount;
use super::evidence::{Evidence, Origin, Place};
use super::promise::{Promise, Violation};
use super::timeline::Timeline;
use crate::app::{CallBegin, CallReport, Observer};
use crate::broker::{Epoch, RevocationId};
use crate::delivery::Outcome;
use crate::memory::{Happening, SESSION, Watch};
use crate::policy::{AckPolicy, Commit, GroupSettings, Order};
use crate::subscriber::Subscriber;
use crate::verdict::Verdict;

/// What a revocation may take beyond its drain time.
const ANSWER: Duration = Duration::from_millis(100);
/// What a lost one may take in all.
const ANSWER_LOST: Duration = Duration::from_millis(300);

/// Watches one run.
#[derive(Debug)]
pub(super) struct Checker(Mutex<Account>);

/// All that is known about a run.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) began: Instant,
    pub(super) timeline: Timeline,
    pub(super) subscribers: Vec<Arc<Subscriber>>,
    pub(super) settings: BTreeMap<Arc<str>, Arc<GroupSettings>>,
    pub(super) evidence: Evidence,
    pub(super) lanes: BTreeMap<Epoch, LaneAccount>,
    /// Revocations without an answer.
    pub(super) owed: BTreeMap<RevocationId, Owed>,
    /// Records that are finished, or begun if their policy promises no more.
    pub(super) settled: BTreeSet<Origin>,
    /// Records whose handler was called, where once is all there may be.
    begun_once: BTreeSet<Origin>,
    /// Members that are no more.
    gone: BTreeSet<u64>,
    /// Commits fail, are late or get lost, or did so until this moment.
    pub(super) commits_disturbed: bool,
    pub(super) disturbed_until: Instant,
    /// A task that reads was made to die.
    pub(super) reads_broken: bool,
    /// Until when nobody needs to read a partition.
    pub(super) unsettled_until: Instant,
    pub(super) violation: Option<Violation>,
    pub(super) calls: u64,
    pub(super) records: u64,
}

#[derive(Debug)]
pub(super) struct Owed {
    member: u64,
    lanes: Vec<Epoch>,
    lost: bool,
    until: Instant,
    since: Instant,
}

impl Checker {
    pub(super) fn new(keep_timeline: bool) -> Self {
        let now = Instant::now();
        Self(Mutex::new(Account {
            began: now,
            timeline: Timeline::new(keep_timeline),
            subscribers: Vec::new(),
            settings: BTreeMap::new(),
            evidence: Evidence::default(),
            lanes: BTreeMap::new(),
            owed: BTreeMap::new(),
            settled: BTreeSet::new(),
            begun_once: BTreeSet::new(),
            gone: BTreeSet::new(),
            commits_disturbed: false,
            disturbed_until: now,
            reads_broken: false,
            unsettled_until: now,
            violation: None,
            calls: 0,
            records: 0,
        }))
    }

    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    pub(super) fn violated(&mut self, promise: Promise, sentence: String) {
        if self.violation.is_none() {
            self.timeline.mark(&sentence);
            self.violation = Some(Violation { promise, sentence });
        }
    }

    pub(super) fn note(&mut self, what: impl std::hash::Hash, text: impl FnOnce() -> String) {
        self.timeline.note(self.began.elapsed(), what, text);
    }

    fn seen(&mut self, happening: &Happening<'_>) {
        match *happening {
            Happening::Assigned { group, member, lane, topic, partition, start } => {
                self.assigned(group, member, lane, &(topic.into(), partition), start);
            }
            Happening::Revoked { member, revocation, lanes, lost } => {
                self.revoked(member, revocation, lanes, lost);
            }
            Happening::Answered { member, revocation } => self.answered(member, revocation),
            Happening::LaneEnded { lane } => self.lane_ended(lane),
            Happening::Reopened { lane } => self.reopened(lane),
            Happening::Crashed { member } => {
                self.note(("crashed", member), || format!("member {member} is gone without a word"));
                self.member_gone(member);
                // Its lanes end when the app hears of it, in the same moment.
            }
            Happening::Left { member } => {
                self.note(("left", member), || format!("member {member} leaves"));
                self.member_gone(member);
            }
            Happening::Stored { lane, next } => self.stored(lane, next),
            Happening::Committed { lane, next, refused } => {
                self.committed(lane, next, refused.map(ToString::to_string));
            }
            Happening::Appended { partition, offset, record } => {
                self.evidence.appended(partition, offset, record);
                self.records += 1;
                self.note(("appended", &record.topic, partition, offset), || {
                    let key = record.key.as_deref().map(String::from_utf8_lossy);
                    let key = key.map_or_else(String::new, |key| format!(", key {key}"));
                    format!("{}/{partition} has a record at {offset}{key}", record.topic)
                });
            }
            Happening::Refused { record, error } => {
                if error.kind == crate::broker::PublishErrorKind::Permanent {
                    self.evidence.refused(record);
                }
                self.note(("refused", &record.topic), || {
                    format!("publish refused, {:?}: {error}", error.kind)
                });
            }
        }
    }

    fn assigned(&mut self, group: &str, member: u64, lane: Epoch, place: &Place, start: i64) {
        let reads = |subscriber: &&Arc<Subscriber>| *subscriber.group == *group && subscriber.reads(&place.0);
        let Some(subscriber) = self.subscribers.iter().find(reads).cloned() else { return };
        let number = self.lanes.len() + 1;
        self.note(("assigned", number, member, start), || {
            format!("{}/{} to member {member} of {group}, from {start} (lane {number})", place.0, place.1)
        });
        let account = LaneAccount {
            number,
            group: Arc::clone(&subscriber.group),
            member,
            place: place.clone(),
            settings: self.settings.get(group).cloned().unwrap_or_default(),
            subscriber,
            records: BTreeMap::new(),
            prefix: start,
            stored: start,
            accepted: start,
            highest: start - 1,
            braked: None,
            open: 0,
            revoked: false,
            over: self.gone.contains(&member),
            died: false,
            refused: None,
            member_heard: Instant::now(),
            dirty: None,
            stuck: None,
        };
        self.lanes.insert(lane, account);
    }

    fn revoked(&mut self, member: u64, revocation: RevocationId, lanes: &[Epoch], lost: bool) {
        let now = Instant::now();
        let known: Vec<_> = lanes.iter().filter(|lane| self.lanes.contains_key(lane)).copied().collect();
        let numbers: Vec<_> = known.iter().map(|lane| self.lanes[lane].number).collect();
        self.note(("revoked", member, lost, &numbers), || {
            format!("{} of member {member}: lanes {numbers:?}", if lost { "lost" } else { "revoked" })
        });
        let drain = known.iter().map(|lane| self.lanes[lane].subscriber.drain).max().unwrap_or_default();
        for lane in &known {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.revoked = true;
            }
        }
        // The cluster does not know yet: nobody will answer.
        if self.gone.contains(&member) {
            return;
        }
        if lost {
            // Whatever else it was to give back may have another owner already.
            let of_member = self.owed.values_mut().filter(|owed| owed.member == member);
            of_member.for_each(|owed| owed.lost = true);
        }
        // Answers keep their order: one that waits behind others takes as long as they do.
        let ahead = self.owed.values().filter(|owed| owed.member == member).map(|owed| owed.until).max();
        let alone = now + if lost { ANSWER_LOST.min(drain + ANSWER) } else { drain + ANSWER };
        let until = ahead.map_or(alone, |ahead| alone.max(ahead));
        self.unsettled_until = self.unsettled_until.max(until);
        self.owed.insert(revocation, Owed { member, lanes: known, lost, until, since: now });
    }

    fn answered(&mut self, member: u64, revocation: RevocationId) {
        self.note(("answered", member), || format!("member {member} answers"));
        self.check_answers();
        let Some(owed) = self.owed.remove(&revocation) else { return };
        for lane in owed.lanes {
            self.check_given_back(lane, owed.lost, owed.since);
            if let Some(lane) = self.lanes.get_mut(&lane) {
                lane.over = true;
                lane.stuck = None;
            }
        }
    }

    /// Every answer that is due was given.
    pub(super) fn check_answers(&mut self) {
        let now = Instant::now();
        let Some(owed) = self.owed.values().find(|owed| owed.until < now) else { return };
        let what = if owed.lost { "a lost membership" } else { "a revocation" };
        let since = owed.since;
        let first = owed.lanes.first().and_then(|lane| self.lanes.get(lane));
        let whose = first.map_or_else(String::new, |first| {
            let subscriber = &first.subscriber;
            format!(" of {}, handler {}, drain {:?}", first.name(), subscriber.handler, subscriber.drain)
        });
        self.violated(
            Promise::RevocationsAnswered,
            format!("{what}{whose} was not answered {:?} after it came", since.elapsed()),
        );
    }

    /// A lane that had nothing open left nothing to be done again.
    fn check_given_back(&mut self, lane: Epoch, lost: bool, since: Instant) {
        if lost || self.commits_disturbed {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.advance(lane.highest + 1, &mut self.evidence);
        // What ends in the very moment of its deadline was cut off.
        let in_time = since.elapsed() < lane.subscriber.drain;
        let is_sure = in_time && !lane.died && !lane.may_hold(&self.evidence);
        let is_clean = is_sure && lane.open == 0 && lane.prefix == lane.highest + 1;
        if is_clean
            && lane.refused.is_none()
            && lane.accepted < lane.prefix
            && lane.subscriber.commit != Commit::Each
        {
            let sentence = format!(
                "{} was given back with {} finished up to {}, and {} committed: they are handled again for nothing",
                lane.name(),
                lane.subscriber.handler,
                lane.prefix,
                lane.accepted
            );
            self.violated(Promise::RevocationsAnswered, sentence);
        }
    }

    fn lane_ended(&mut self, lane: Epoch) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.over = true;
        lane.died = !lane.revoked;
        lane.stuck = None;
        let number = lane.number;
        lane.open = 0;
        self.note(("lane ended", number), || format!("lane {number} ends"));
    }

    fn reopened(&mut self, lane: Epoch) {
        let Some(lane) = self.lanes.get(&lane) else { return };
        let (number, place, handler) = (lane.number, lane.name(), Arc::clone(&lane.subscriber.handler));
        self.note(("reopened", number), || format!("{place} is opened again: lane {number} had died"));
        if !self.reads_broken {
            self.violated(
                Promise::NothingEndsTheLoop,
                format!("{place}, handler {handler}: the task that reads it died"),
            );
        }
    }

    /// It owes nothing, and reads nothing.
    fn member_gone(&mut self, member: u64) {
        self.gone.insert(member);
        self.unsettle(SESSION);
        self.owed.retain(|_, owed| owed.member != member);
        for lane in self.lanes.values_mut().filter(|lane| lane.member == member) {
            lane.revoked = true;
            lane.stuck = None;
        }
    }

    fn stored(&mut self, lane: Epoch, next: i64) {
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        account.stored = next;
        if next > account.accepted {
            account.dirty.get_or_insert_with(Instant::now);
        }
        let number = account.number;
        self.note(("stored", number, next), || format!("lane {number} stores {next}"));
        self.check_covers(lane, next, "stored, to be committed");
    }

    fn committed(&mut self, lane: Epoch, next: i64, refused: Option<String>) {
        let now = Instant::now();
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let (number, is_taken) = (account.number, refused.is_none());
        if is_taken {
            account.accepted = account.accepted.max(next);
            account.refused = None;
            account.braked = None;
            account.dirty = (account.stored > next).then_some(now);
        } else if account.refused.is_none() {
            account.refused = Some(now);
            account.braked.get_or_insert((now, account.highest));
        }
        let (place, member) = (account.name(), account.member);
        if is_taken {
            let of_member = self.lanes.values_mut().filter(|lane| lane.member == member);
            of_member.for_each(|lane| lane.member_heard = now);
        } else {
            self.disturbed_until = now;
        }
        self.note(("committed", number, next, is_taken), || match refused {
            None => format!("{place}: {next} committed (lane {number})"),
            Some(error) => format!("{place}: commit of {next} refused (lane {number}): {error}"),
        });
        if is_taken {
            self.check_covers(lane, next, "committed");
        }
    }

    /// Everything before `next` was finished in this assignment.
    fn check_covers(&mut self, lane: Epoch, next: i64, what: &str) {
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        account.advance(next, &mut self.evidence);
        let offset = account.prefix;
        for finished in account.records.range(..offset).rev().map(|(offset, _)| *offset) {
            if !self.settled.insert(account.origin(finished)) {
                break;
            }
        }
        if offset < next {
            let sentence = format!(
                "{}: {next} was {what} for group {}, and offset {offset} is not finished: {}",
                account.name(),
                account.group,
                account.describe(offset, &self.evidence)
            );
            self.violated(Promise::CommitsOnlyFinished, sentence);
        }
    }

    fn begins(&mut self, begin: &CallBegin<'_>) {
        let CallBegin { handler, lane, offset, attempt } = *begin;
        self.calls += 1;
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let number = account.number;
        let place = account.name();
        let wrong = check_begin(account, &self.evidence, offset, attempt);
        let origin = account.origin(offset);
        let (ack, commit) = (account.subscriber.ack, account.subscriber.commit);
        let is_new = attempt == 1;
        let record = account.records.entry(offset).or_default();
        record.begin();
        account.open += 1;
        account.highest = account.highest.max(offset);
        account.stuck = None;
        if matches!(ack, AckPolicy::AckFirst | AckPolicy::Ack) {
            self.settled.insert(origin.clone());
        }
        let committed = account.accepted > offset;
        self.note(("begins", number, offset, attempt), || {
            format!("{handler} begins {place} offset {offset}, attempt {attempt} (lane {number})")
        });
        if let Some((promise, what)) = wrong {
            self.violated(
                promise,
                format!("{place}, offset {offset}, handler {handler}, attempt {attempt}: {what}"),
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
            self.violated(
                Promise::AtMostOnce,
                format!("{place}, offset {offset}, handler {handler}: {what}"),
            );
        }
    }

    fn called(&mut self, report: &CallReport<'_>) {
        let CallReport { handler, lane, topic, partition, offset, attempt, outcome, .. } = *report;
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let number = account.number;
        let origin = account.origin(offset);
        let record = account.records.entry(offset).or_default();
        let known = record.open && record.attempts == attempt;
        record.end(outcome, &self.evidence, &origin);
        account.open = account.open.saturating_sub(1);
        account.stuck = None;
        self.note(("called", number, offset, attempt, std::mem::discriminant(outcome)), || {
            let what = describe(outcome);
            format!("{handler} ends {topic}/{partition} offset {offset}, attempt {attempt}: {what} (lane {number})")
        });
        if !known {
            let sentence = format!(
                "{topic}/{partition}, offset {offset}, handler {handler}: attempt {attempt} ended, and was never given \
                 this record"
            );
            self.violated(Promise::Order, sentence);
        }
    }

    fn settled_by_hand(&mut self, lane: Epoch, offset: i64, attempt: u32, verdict: &Verdict, accepted: bool) {
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let (number, over, place) = (account.number, account.over, account.name());
        let handler = Arc::clone(&account.subscriber.handler);
        let letters = self.evidence.letters_now(&account.origin(offset));
        account.stuck = None;
        if accepted && let Some(record) = account.records.get_mut(&offset) {
            record.settle(attempt, verdict, letters);
        }
        self.note(("by hand", number, offset, accepted), || {
            let answer = if accepted { "" } else { ", which is too late" };
            format!("{place} offset {offset} is settled by hand, {verdict:?}{answer} (lane {number})")
        });
        if accepted && over {
            let sentence = format!(
                "{place}, offset {offset}, handler {handler}: an `Ack` was accepted after the end of its assignment"
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
) -> Option<(Promise, String)> {
    if account.over {
        return Some((Promise::StaleHasNoEffect, "it begins after the end of its assignment".into()));
    }
    let before = account.records.get(&offset);
    if before.is_some_and(|record| record.open) {
        return Some((Promise::Order, "its last attempt still runs".into()));
    }
    if before.map_or(0, |record| record.attempts) + 1 != attempt {
        return Some((
            Promise::Order,
            "this is not the record that is to be tried again: another was read".into(),
        ));
    }
    let concurrency = account.subscriber.concurrency.max(1);
    if account.open >= concurrency {
        return Some((Promise::Order, format!("{} calls run already, of {concurrency}", account.open)));
    }
    for (other, record) in account.neighbours(offset, evidence) {
        if record.open {
            return Some((Promise::Order, format!("the call for offset {other} still runs")));
        }
        if attempt == 1 && other > offset {
            return Some((Promise::Order, format!("offset {other} began before it")));
        }
        if attempt == 1 && account.forbids(other, evidence) {
            let why = account.describe(other, evidence);
            return Some((Promise::Order, format!("offset {other} is before it: {why}")));
        }
    }
    check_brake(account, offset, attempt)
}

fn check_brake(account: &LaneAccount, offset: i64, attempt: u32) -> Option<(Promise, String)> {
    let ahead = offset - account.accepted;
    let most = i64::try_from(account.settings.max_uncommitted).unwrap_or(i64::MAX);
    // What was handed out before may begin: what waited behind its key.
    let kept = match account.subscriber.order {
        Order::Key => i64::try_from(account.settings.max_in_flight).unwrap_or(i64::MAX),
        Order::Partition | Order::None => 0,
    };
    let (since, highest) = account.braked?;
    let is_late = since < Instant::now() && offset > highest.saturating_add(kept);
    (attempt == 1 && ahead >= most && is_late)
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

impl Watch for Checker {
    fn seen(&self, happening: &Happening<'_>) {
        self.account().seen(happening);
    }
}

impl Observer for Checker {
    fn begins(&self, begin: &CallBegin<'_>) {
        self.account().begins(begin);
    }

    fn called(&self, report: &CallReport<'_>) {
        self.account().called(report);
    }

    fn settled_by_hand(&self, lane: Epoch, offset: i64, attempt: u32, verdict: &Verdict, accepted: bool) {
        self.account().settled_by_hand(lane, offset, attempt, verdict, accepted);
    }

    fn settled(&self, handler: &str, topic: &str, partition: i32, offset: i64, fate: &'static str) {
        self.account().note((fate, topic, partition, offset), || {
            format!("{topic}/{partition} offset {offset} of {handler}: {fate}")
        });
    }
}
