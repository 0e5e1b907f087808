//! What must hold between any two steps, and at the end: what is assigned is read, what is finished is committed,
//! nothing is lost.

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

/// Within this, an assigned partition is read.
const READ: Duration = Duration::from_secs(1);
/// Beyond what is known to take time, within this a partition has a reader again.
const READER: Duration = Duration::from_secs(2);

/// What only the fleet knows at such a moment.
#[derive(Debug)]
pub(super) struct Situation {
    /// Instances that run and do not end.
    pub(super) running: usize,
    /// Instances that drain.
    pub(super) leaving: usize,
    /// Until then nothing arrives or leaves, commits either; may be long ago.
    pub(super) offline_until: Instant,
    /// Commits fail, are late or get lost.
    pub(super) commits_disturbed: bool,
    /// Partitions that members of other processes have.
    pub(super) external: Vec<TopicPartition>,
}

/// What each group committed: at the end of everything.
pub(super) type Committed = BTreeMap<(Arc<str>, TopicPartition), i64>;

impl Model {
    /// Nobody needs to read a partition for so long, from now on.
    pub(super) fn unsettle(&mut self, duration: Duration) {
        self.unsettled_until = self.unsettled_until.max(Instant::now() + duration);
    }

    /// To be called between any two steps.
    pub(super) fn check_invariants(&mut self, situation: &Situation) {
        self.check_answers();
        self.commits_disturbed = situation.commits_disturbed;
        if situation.commits_disturbed {
            self.disturbed_until = Instant::now();
        }
        // It may end between two looks.
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

    /// A lane whose next record could begin begins it.
    fn check_reading(&mut self) {
        let now = Instant::now();
        let mut wrong = None;
        let began = self.began;
        for lane in self.lanes.values_mut().filter(|lane| !lane.over && !lane.revoked) {
            lane.look_for_finished(&mut self.log_index);
            lane.notice_silence();
            // The next commit tells whether it is over.
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
                        let handler = &lane.subscriber.handler;
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

    /// What is stored becomes durable while nothing forbids it.
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

    /// Every partition has a reader.
    fn check_readers(&mut self, situation: &Situation) {
        if Instant::now() < self.unsettled_until.max(self.stopping_until) + READER {
            return;
        }
        let mut wrong = None;
        for subscriber in &self.subscribers {
            let is_read =
                |tp: &&TopicPartition| subscriber.reads(&tp.topic) && !situation.external.contains(*tp);
            for tp in self.log_index.partitions().filter(is_read) {
                let reads = |lane: &LaneModel| {
                    !lane.over && !lane.revoked && lane.tp == *tp && *lane.group == *subscriber.group
                };
                if !self.lanes.values().any(reads) {
                    let message = format!(
                        "{}/{}, handler {}: nobody reads it, and nothing that takes longer happened",
                        tp.topic, tp.partition, subscriber.handler
                    );
                    wrong.get_or_insert(message);
                }
            }
        }
        if let Some(message) = wrong {
            self.violated(Promise::LostIsReadAgain, message);
        }
    }

    /// Faults are off, everything has settled, and the app was stopped. `held` are the records that are kept back.
    pub(super) fn check_end(&mut self, committed: &Committed, held: &Committed) {
        let mut wrong = None;
        for subscriber in self.subscribers.clone() {
            let partitions: Vec<TopicPartition> =
                self.log_index.partitions().filter(|tp| subscriber.reads(&tp.topic)).cloned().collect();
            for tp in partitions {
                let key = (Arc::clone(&subscriber.group), tp.clone());
                let next = committed.get(&key).copied().unwrap_or(0);
                let end = self.log_index.end(&tp);
                let held = held.get(&key).copied();
                let (name, handler) = (format!("{}/{}", tp.topic, tp.partition), &subscriber.handler);
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
                if subscriber.ack == AckPolicy::AckFirst {
                    continue;
                }
                let due = held.unwrap_or(end).min(end);
                let lost = (0..due).find(|offset| !self.is_settled(&subscriber.group, handler, &tp, *offset));
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

    fn is_settled(&self, group: &Arc<str>, handler: &Arc<str>, tp: &TopicPartition, offset: i64) -> bool {
        let (group, handler) = (Arc::clone(group), Arc::clone(handler));
        self.settled.contains(&super::log_index::Origin { group, handler, tp: tp.clone(), offset })
    }
}

/// The record that could begin now; `None` if there is none, or if something forbids it.
fn next_to_begin(
    lane: &LaneModel,
    log_index: &LogIndex,
    commits_disturbed: bool,
    began: Instant,
) -> Option<i64> {
    let subscriber = &lane.subscriber;
    let waits_for_commit = subscriber.ack == AckPolicy::AckFirst && subscriber.commit == Commit::Each;
    if lane.open >= subscriber.concurrency.max(1)
        || (waits_for_commit && commits_disturbed)
        || lane.may_hold(log_index)
        || Instant::now() < lane.hooks_until
    {
        return None;
    }
    let end = log_index.end(&lane.tp);
    let most = i64::try_from(lane.settings.max_in_flight).unwrap_or(i64::MAX);
    let brake = i64::try_from(lane.settings.max_uncommitted).unwrap_or(i64::MAX);
    // Finished or not, a copy that is refused for now stops its line, and is kept.
    let owing: Vec<i64> = lane.owing(log_index).collect();
    let mut kept = lane.kept().count() + owing.len();
    let mut waiting = Vec::new();
    for offset in lane.prefix..end {
        if offset - lane.prefix >= most || i64::try_from(kept).unwrap_or(i64::MAX) >= most {
            return None;
        }
        // While commits move on, the brake asks for one, and is off at once. It is on, too, while none does.
        let may_brake = commits_disturbed || lane.accepted_at.elapsed() >= lane.settings.commit_interval * 2;
        if may_brake && offset - lane.accepted >= brake {
            return None;
        }
        if lane.records.contains_key(&offset) {
            continue;
        }
        // In a retry topic, all that come later wait for it.
        if !lane.waits(offset, log_index, began).is_zero() {
            return None;
        }
        let behind = match subscriber.order {
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
        // Its commit would cover this one, which waits for its key.
        if subscriber.order == Order::Partition || waits_for_commit {
            return None;
        }
        waiting.push(log_index.key(&lane.tp, offset));
        kept += 1;
    }
    None
}
