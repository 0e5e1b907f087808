//! What must hold between any two steps, and at the end: an assigned partition is read, finished records are
//! committed,
//!
//! and nothing is lost.
//!
//! These checks are about things that do not happen, so each has a time after which their absence is a violation.
//! The times are those of the guide's promises, counted from the last moment at which something explains the
//! absence: a fault, a rebalance, a start, a hook. While an instance drains or the broker is disconnected, only
//! answers to revocations are checked.

use crate::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::checker::Model;
use super::log_index::LogIndex;
use super::model::LaneModel;
use super::promise::Promise;
use crate::policy::{AckPolicy, Commit, Order};

/// The time within which the next record of an assigned partition begins: promise 3.
const READ: Duration = Duration::from_secs(1);
/// The time within which a partition has a reader again: promise 5. It counts from the end of everything known to
/// take longer (`unsettled_until`).
const READER: Duration = Duration::from_secs(2);

/// The facts that only the fleet knows at the moment of a check.
#[derive(Debug)]
pub(super) struct Situation {
    /// How many instances run and were not asked to stop.
    pub(super) running: usize,
    /// How many instances drain.
    pub(super) leaving: usize,
    /// When the disconnection of the broker ends or ended.
    pub(super) offline_until: Instant,
    /// Whether commits fail, are late or get lost at the moment.
    pub(super) commits_disturbed: bool,
    /// The partitions that members of other processes own: nobody reads those.
    pub(super) external: Vec<TopicPartition>,
}

/// An offset of each group in each partition: the committed next offset, or the record offset of the first held
/// record.
pub(super) type Committed = BTreeMap<(Arc<str>, TopicPartition), i64>;

impl Model {
    /// Allows partitions to be without a reader for this long, from now on. Every fault that costs one calls it
    /// first.
    pub(super) fn unsettle(&mut self, duration: Duration) {
        self.unsettled_until = self.unsettled_until.max(Instant::now() + duration);
    }

    /// Checks everything that must hold between two steps.
    pub(super) fn check_invariants(&mut self, situation: &Situation) {
        self.check_answers();
        self.commits_disturbed = situation.commits_disturbed;
        if situation.commits_disturbed {
            self.disturbed_until = Instant::now();
        }
        // A disconnection may end between two checks.
        self.disturbed_until = self.disturbed_until.max(situation.offline_until);
        if Instant::now() < situation.offline_until || situation.leaving > 0 {
            self.lanes.values_mut().for_each(|lane| lane.stuck = None);
            return;
        }
        self.check_reading();
        self.check_commits();
        if situation.running > 0 {
            self.check_readers(situation);
        }
    }

    /// Checks that a lane whose next record could begin begins it, within `READ`.
    ///
    /// A violation is delayed by one look at least: the record must have been able to begin at two of them, and at
    /// all looks in between. It breaks promise 2 if a commit was refused before, else promise 3.
    fn check_reading(&mut self) {
        let now = Instant::now();
        let mut wrong = None;
        let began = self.began;
        for lane in self.lanes.values_mut().filter(|lane| !lane.over && !lane.revoked) {
            lane.look_for_finished(&mut self.log_index);
            lane.notice_silence();
            // Only the next commit shows whether the disturbance is over.
            let until = self.disturbed_until + lane.settings.commit_interval;
            let disturbed = self.commits_disturbed || now <= until;
            let next = next_to_begin(lane, &self.log_index, disturbed, began);
            let Some(offset) = next.filter(|_| now > self.stopping_until) else {
                lane.stuck = None;
                continue;
            };
            match lane.stuck {
                Some((stuck, since)) if stuck == offset => {
                    if now - since > READ {
                        let handler = &lane.subscriber.handler.name;
                        let (name, number, took) = (lane.name(), lane.number, now - since);
                        let promise = if lane.refused.is_some() {
                            Promise::CommitErrorsStopNothing
                        } else {
                            Promise::AssignedIsRead
                        };
                        let message = format!(
                            "{name}, offset {offset}, handler {handler}: nothing forbids that it begins, and for {took:?} \
                             it does not (lane {number})"
                        );
                        wrong.get_or_insert((promise, message));
                    }
                }
                _ => lane.stuck = Some((offset, now)),
            }
        }
        if let Some((promise, message)) = wrong {
            self.violated(promise, message);
        }
    }

    /// Checks that a stored offset is committed within two commit intervals and 0.1 s, while nothing disturbs
    /// commits.
    fn check_commits(&mut self) {
        if self.commits_disturbed {
            return;
        }
        let is_due = |lane: &&LaneModel| {
            let most = lane.settings.commit_interval * 2 + Duration::from_millis(100);
            let since = lane.dirty.map(|since| since.max(self.disturbed_until));
            !lane.over && !lane.revoked && since.is_some_and(|since| since.elapsed() > most)
        };
        let Some(lane) = self.lanes.values().find(is_due) else { return };
        let message = format!(
            "{}: {} is stored, {} is committed, and no commit follows (lane {})",
            lane.name(),
            lane.stored,
            lane.accepted,
            lane.number
        );
        self.violated(Promise::CommitErrorsStopNothing, message);
    }

    /// Checks that every partition with records has a lane, in each group that reads it.
    fn check_readers(&mut self, situation: &Situation) {
        if Instant::now() < self.unsettled_until.max(self.stopping_until) + READER {
            return;
        }
        let mut wrong = None;
        for subscriber in &self.subscribers {
            let is_read =
                |tp: &&TopicPartition| subscriber.spec.reads(&tp.topic) && !situation.external.contains(*tp);
            for tp in self.log_index.partitions().filter(is_read) {
                let reads = |lane: &LaneModel| {
                    !lane.over && !lane.revoked && lane.tp == *tp && *lane.group == *subscriber.spec.group
                };
                if !self.lanes.values().any(reads) {
                    let message = format!(
                        "{}/{}, handler {}: nobody reads it, and nothing that takes longer happened",
                        tp.topic, tp.partition, subscriber.handler.name
                    );
                    wrong.get_or_insert(message);
                }
            }
        }
        if let Some(message) = wrong {
            self.violated(Promise::LostIsReadAgain, message);
        }
    }

    /// Checks the end of a run: faults are off, everything has settled, and the instances have stopped. In each
    /// partition the committed offset is the end of the log, or does not pass the first held record (`held`), and
    /// every record before that was finished.
    ///
    /// With `AckFirst`, records that a stop interrupted need not have begun.
    pub(super) fn check_end(&mut self, committed: &Committed, held: &Committed) {
        let mut wrong = None;
        for subscriber in self.subscribers.clone() {
            let partitions: Vec<TopicPartition> =
                self.log_index.partitions().filter(|tp| subscriber.spec.reads(&tp.topic)).cloned().collect();
            for tp in partitions {
                let key = (Arc::clone(&subscriber.spec.group), tp.clone());
                let next = committed.get(&key).copied().unwrap_or(0);
                let end = self.log_index.end(&tp);
                let held = held.get(&key).copied();
                let (name, handler) = (format!("{}/{}", tp.topic, tp.partition), &subscriber.handler.name);
                if held.is_none() && next != end {
                    let message = format!(
                        "{name}, handler {handler}: {next} is committed of {end}, though faults are off and nothing is held"
                    );
                    wrong.get_or_insert((Promise::CommitErrorsStopNothing, message));
                }
                if held.is_some_and(|held| next > held) {
                    let message =
                        format!("{name}, handler {handler}: {next} is committed, beyond a held record");
                    wrong.get_or_insert((Promise::CommitsOnlyFinished, message));
                }
                if subscriber.handler.ack == AckPolicy::AckFirst {
                    continue;
                }
                let due = held.unwrap_or(end).min(end);
                let lost =
                    (0..due).find(|offset| !self.is_settled(&subscriber.spec.group, handler, &tp, *offset));
                if let Some(offset) = lost {
                    let message =
                        format!("{name}, offset {offset}, handler {handler}: it was never finished");
                    wrong.get_or_insert((Promise::NothingLost, message));
                }
            }
        }
        if let Some((promise, message)) = wrong {
            self.violated(promise, message);
        }
    }

    /// Returns whether a record was finished for this handler, in any assignment.
    fn is_settled(&self, group: &Arc<str>, handler: &Arc<str>, tp: &TopicPartition, offset: i64) -> bool {
        let (group, handler) = (Arc::clone(group), Arc::clone(handler));
        self.settled.contains(&super::content::Origin { group, handler, tp: tp.clone(), offset })
    }
}

/// Returns the record offset that could begin now; `None` if there is none, or if something forbids it: a full
/// concurrency, `max_in_flight`, the brake, a pending commit, hooks, a due time, or an earlier record of its
/// order.
///
/// Each of these answers `None` for its own reason:
/// - The lane as a whole may wait: its calls are as many as `concurrency`, a copy was refused for good, or its
///   hooks run. With `AckFirst` and `commit = Each`, it waits for commits that are disturbed.
/// - `max_in_flight` counts from the prefix, and also limits what is kept after it.
/// - The brake is on while commits are disturbed, or when none has moved forward for two intervals. Otherwise
///   reaching `max_uncommitted` only requests a commit.
/// - In a retry topic the first record that is not due makes all later ones wait, because they are due later.
/// - A record behind an unfinished one of its partition or key waits. With `order = Key`, a later record of
///   another key may begin instead.
fn next_to_begin(
    lane: &LaneModel,
    log_index: &LogIndex,
    commits_disturbed: bool,
    began: Instant,
) -> Option<i64> {
    let subscriber = &lane.subscriber;
    let waits_for_commit =
        subscriber.handler.ack == AckPolicy::AckFirst && subscriber.spec.commit == Commit::Each;
    if lane.open >= subscriber.spec.concurrency.max(1)
        || (waits_for_commit && commits_disturbed)
        || lane.may_hold(log_index)
        || lane.paused
        || lane.sought
        || Instant::now() < lane.hooks_until
    {
        return None;
    }
    let end = log_index.end(&lane.tp);
    let most = i64::try_from(lane.settings.max_in_flight).unwrap_or(i64::MAX);
    let brake = i64::try_from(lane.settings.max_uncommitted).unwrap_or(i64::MAX);
    // Finished or not, a record whose copy is refused for now blocks its order, and is kept.
    let owing: Vec<i64> = lane.owing(log_index).collect();
    let mut kept = lane.kept().count() + owing.len();
    let mut waiting = Vec::new();
    for offset in lane.prefix..end {
        if offset - lane.prefix >= most || i64::try_from(kept).unwrap_or(i64::MAX) >= most {
            return None;
        }
        // While commits move forward, the brake requests one, and is off at once. Otherwise it stays on.
        let may_brake = commits_disturbed || lane.accepted_at.elapsed() >= lane.settings.commit_interval * 2;
        if may_brake && offset - lane.accepted >= brake {
            return None;
        }
        if lane.records.contains_key(&offset) {
            continue;
        }
        // In a retry topic, all later records wait for it.
        if !lane.waits(offset, log_index, began).is_zero() {
            return None;
        }
        let behind = match subscriber.spec.order {
            Order::Partition => lane.kept().next().is_some() || !owing.is_empty(),
            Order::Key => {
                let key = log_index.key(&lane.tp, offset);
                let busy = |(other, record): (i64, &super::record::RecordModel)| {
                    (record.open || !record.is_known_finished()) && other != offset
                };
                let owes = |other: &i64| key.is_some() && log_index.key(&lane.tp, *other) == key;
                lane.neighbours(offset, log_index).any(busy)
                    || owing.iter().any(owes)
                    || (key.is_some() && waiting.contains(&key))
            }
            Order::None => false,
        };
        if !behind {
            return Some(offset);
        }
        // The commit of a later one would cover this one, which waits for its key.
        if subscriber.spec.order == Order::Partition || waits_for_commit {
            return None;
        }
        waiting.push(log_index.key(&lane.tp, offset));
        kept += 1;
    }
    None
}
