//! The calls of one lane in the model, and which records they finish, by the table of ack policies.
//!
//! Written from the guide's text, on purpose without the code of the runtime: its bookkeeping is what is checked.
//! A lane is a partition during one assignment, so a partition that is assigned again begins with an empty model.
//!
//! The central question is `left`: what does a record still need, given how its calls ended? `is_finished`
//! (in `finished`) answers the rest, which depends on the logs: did the copies arrive? The `prefix` is the longest finished one, which
//! bounds what may be stored and committed.
//!
//! Answers are found when somebody asks, not when they become true. So most methods that look change the model:
//! they move the prefix, and count on copies.

use crate::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::guard_model::DeadLetters;
use super::log_index::{LogIndex, Proof};
use super::record::{Left, RecordEnd, RecordModel};
use crate::policy::{AckPolicy, Commit, GroupSettings, OnError, Order};
use crate::result::Verdict;
use crate::subscriber::Subscriber;

/// One lane: a partition during one assignment.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, seen one by one")]
#[derive(Debug)]
pub(super) struct LaneModel {
    /// Its number in this run, from 1: for the timeline, and because epochs differ from process to process.
    pub(super) number: usize,
    /// The group that reads it.
    pub(super) group: Arc<str>,
    /// The member's number on the broker.
    pub(super) member: u64,
    /// The partition.
    pub(super) tp: TopicPartition,
    /// The subscriber that reads it, with its policies.
    pub(super) subscriber: Arc<Subscriber>,
    /// The settings of its group: limits and the commit interval.
    pub(super) settings: Arc<GroupSettings>,
    /// The records whose handler was called, by record offset.
    pub(super) records: BTreeMap<i64, RecordModel>,
    /// The next offset behind the longest finished prefix, as far as it is known.
    pub(super) prefix: i64,
    /// The next offset that the runtime stored last; the start of the lane at first.
    pub(super) stored: i64,
    /// The next offset that the broker accepted last; the start of the lane at first.
    pub(super) accepted: i64,
    /// When a commit moved it forward, or when the lane began.
    pub(super) accepted_at: Instant,
    /// The highest record offset whose call began.
    pub(super) highest: i64,
    /// Since when the brake must be on, and the highest record offset that had begun by then.
    pub(super) braked: Option<(Instant, i64)>,
    /// How many calls run.
    pub(super) open: usize,
    /// Whether a revocation names it, or its member is gone.
    pub(super) revoked: bool,
    /// Whether it ended: its revocation was answered, or its task is gone.
    pub(super) over: bool,
    /// Whether its task ended without a revocation, or may have.
    pub(super) died: bool,
    /// Its member has paused it.
    pub(super) paused: bool,
    /// It ends because somebody moves its partition elsewhere.
    pub(super) sought: bool,
    /// When a commit was refused first, if none was accepted since.
    pub(super) refused: Option<Instant>,
    /// When a commit of its member was accepted last, of whatever lane.
    pub(super) member_heard: Instant,
    /// Since when something is stored that the broker has not accepted.
    pub(super) dirty: Option<Instant>,
    /// A record that could begin and does not, and since when.
    pub(super) stuck: Option<(i64, Instant)>,
    /// Until when the hooks of its assignment may run, which its records wait for.
    pub(super) hooks_until: Instant,
    /// What the dead-letter guard must have counted along the finished records.
    pub(super) dead_letters: DeadLetters,
}

impl LaneModel {
    /// Returns what is left to do for a record, before the logs are searched for its copies. This is the table of
    /// ack policies in the guide, row by row.
    ///
    /// An accepted manual ack counts whatever the call returns; a verdict other than `Ack` counts before an ack that
    /// is not settled, and a manual nack or reject before what the call returned. Results come first: they have to be
    /// in their topic, and a refusal for good is a failed attempt.
    pub(super) fn left(&self, offset: i64, log_index: &LogIndex) -> Left {
        let subscriber = &self.subscriber;
        if subscriber.handler.ack == AckPolicy::AckFirst && subscriber.spec.commit == Commit::Each {
            // Finished when dispatched, which shows only in its commit. `begins` checks the rest.
            return Left::Nothing;
        }
        let Some(record) = self.records.get(&offset) else { return Left::Begin };
        if record.finished || (subscriber.handler.ack == AckPolicy::AckFirst && record.attempts > 0) {
            return Left::Nothing;
        }
        let by_hand = subscriber.handler.ack == AckPolicy::Manual;
        if by_hand && record.is_acked(self.publishes(), log_index) && !record.open {
            return Left::Nothing;
        }
        let Some(last) = record.last.as_ref().filter(|_| !record.open) else {
            return Left::Call(record.attempts);
        };
        match last {
            RecordEnd::Decided(Verdict::Ack) if by_hand && record.hand.is_none() => Left::Ack,
            RecordEnd::Decided(returned) => {
                match record.hand.as_ref().filter(|_| by_hand).unwrap_or(returned) {
                    Verdict::Ack | Verdict::Skip => Left::Nothing,
                    Verdict::Nack { .. } => self.after_failure(record),
                    Verdict::Reject { .. } => self.after_reject(),
                    Verdict::Stop => Left::Help,
                }
            }
            RecordEnd::Published(copies, before) if log_index.was_refused(copies, before) => {
                self.after_failure(record)
            }
            RecordEnd::Published(copies, before) if by_hand && !record.acked => match &record.hand {
                _ if !copies.is_empty() && !log_index.came(copies, before) => Left::Copies,
                None => Left::Ack,
                Some(Verdict::Ack | Verdict::Skip) => Left::Nothing,
                Some(Verdict::Nack { .. }) => self.after_failure(record),
                Some(Verdict::Reject { .. }) => self.after_reject(),
                Some(Verdict::Stop) => Left::Help,
            },
            RecordEnd::Published(copies, _) if copies.is_empty() => Left::Nothing,
            RecordEnd::Published(..) => Left::Copies,
            RecordEnd::Failed => self.after_failure(record),
            RecordEnd::NotEncodable => self.after_reject(),
            RecordEnd::Undecodable => self.given_up(subscriber.handler.on_decode_error),
        }
    }

    /// Returns whether the handler has results.
    pub(super) fn publishes(&self) -> bool {
        !self.subscriber.handler.publishes.is_empty()
    }

    /// Returns what is left after an attempt failed: another attempt, a retry topic, then giving up.
    fn after_failure(&self, record: &RecordModel) -> Left {
        match self.subscriber.handler.ack {
            AckPolicy::AckFirst | AckPolicy::Ack => Left::Nothing,
            AckPolicy::RejectOnError => self.after_reject(),
            AckPolicy::NackOnError | AckPolicy::Manual => {
                if record.attempts - record.before < self.subscriber.handler.retry.max_attempts() {
                    return Left::Attempt(record.attempts);
                }
                if let Some(next) = self.subscriber.spec.next_retry_topic(&self.tp.topic) {
                    return Left::RetryCopy(Arc::clone(&next.name));
                }
                self.given_up(self.subscriber.handler.on_error)
            }
        }
    }

    /// Returns what is left after a reject: a dead letter if one is named, else `on_error`.
    fn after_reject(&self) -> Left {
        let named = self.subscriber.handler.dead_letter.is_some();
        self.given_up(if named { OnError::DeadLetter } else { self.subscriber.handler.on_error })
    }

    /// Returns what is left after the runtime gave up on a record. Policies that finish it anyway leave nothing.
    fn given_up(&self, on_error: OnError) -> Left {
        if matches!(self.subscriber.handler.ack, AckPolicy::AckFirst | AckPolicy::Ack) {
            return Left::Nothing;
        }
        match on_error {
            OnError::Skip => Left::Nothing,
            OnError::DeadLetter => Left::DeadLetter(self.subscriber.dead_letter_topic(&self.tp.topic)),
            OnError::Hold | OnError::Stop => Left::Help,
        }
    }

    /// Moves the prefix over finished records, to `end` at most, and counts their dead letters.
    pub(super) fn advance(&mut self, end: i64, log_index: &mut LogIndex, proof: Proof) {
        while self.prefix < end && self.is_finished(self.prefix, log_index, proof) {
            self.count_dead(self.prefix);
            self.prefix += 1;
        }
    }

    /// Looks for finished records among all that began, as far as one can be sure.
    pub(super) fn look_for_finished(&mut self, log_index: &mut LogIndex) {
        self.advance(self.highest + 1, log_index, Proof::Sure);
        let begun: Vec<i64> = self.records.range(self.prefix..).map(|(offset, _)| *offset).collect();
        for offset in begun {
            self.is_finished(offset, log_index, Proof::Sure);
        }
    }

    /// Returns whether an earlier record forbids the begin of one that must not overtake it.
    ///
    /// Copies on their way forbid nothing, because the producer keeps their order. Neither does an ack that a
    /// handler keeps.
    pub(super) fn forbids(&self, offset: i64, log_index: &LogIndex) -> bool {
        if self.are_copies_there(offset, log_index) {
            return false;
        }
        if self.records.get(&offset).is_some_and(|record| record.open) {
            return true;
        }
        match self.left(offset, log_index) {
            Left::Call(_) | Left::Attempt(_) | Left::Help => true,
            Left::Nothing
            | Left::Begin
            | Left::Ack
            | Left::Copies
            | Left::RetryCopy(_)
            | Left::DeadLetter(_) => false,
        }
    }

    /// Returns whether results of a record that has ended are in the logs.
    fn are_copies_there(&self, offset: i64, log_index: &LogIndex) -> bool {
        let record = self.records.get(&offset).filter(|record| !record.open);
        match record.and_then(|record| record.last.as_ref()) {
            Some(RecordEnd::Published(copies, before)) => log_index.came(copies, before),
            _ => false,
        }
    }

    /// Returns whether a copy of one of its records was refused for good, so that the record may be held, whatever
    /// else is in the logs.
    pub(super) fn may_hold(&self, log_index: &LogIndex) -> bool {
        self.records.iter().any(|(offset, record)| {
            let of_copies = match &record.last {
                Some(RecordEnd::Published(copies, before)) => log_index.was_refused(copies, before),
                _ => false,
            };
            let of_step = record.step.is_some_and(|(step, before)| log_index.was_refused(&[step], &before));
            of_copies
                || of_step
                || log_index.was_refused(&[self.dead_letter(*offset, log_index)], &record.letters)
        })
    }

    /// Returns the records that began and that this one must not overtake or run beside: those of its key, or all.
    /// Records before the prefix are left out, unless their calls still run.
    pub(super) fn neighbours<'a>(
        &'a self,
        offset: i64,
        log_index: &'a LogIndex,
    ) -> impl Iterator<Item = (i64, &'a RecordModel)> {
        let order = self.subscriber.spec.order;
        let key = log_index.key(&self.tp, offset);
        let is_neighbour = move |other: i64| match order {
            Order::Partition => true,
            Order::Key => key.is_some() && log_index.key(&self.tp, other) == key,
            Order::None => false,
        };
        let begun =
            self.records.range(self.first_kept().min(offset)..).filter(move |(other, _)| **other != offset);
        begun.map(|(other, record)| (*other, record)).filter(move |(other, _)| is_neighbour(*other))
    }

    /// Returns whether this is the oldest record without a success, and calls that were settled manually occupy
    /// the others' places. Those may wait for its commit (`ack_durable`), so the runtime lets it begin without a
    /// free place: otherwise both would wait forever.
    pub(super) fn others_wait_for(&self, offset: i64) -> bool {
        let succeeded = |record: &RecordModel| record.acked || record.is_known_finished();
        let is_oldest = (self.prefix..offset).all(|before| self.records.get(&before).is_some_and(succeeded));
        let open = self.records.values().filter(|record| record.open);
        let working = open.filter(|record| !record.acked).count();
        self.subscriber.handler.ack == AckPolicy::Manual
            && is_oldest
            && working < self.subscriber.spec.concurrency.max(1)
    }

    /// Returns the record offset before which everything has ended. That is the prefix, except for calls of
    /// records that are finished while they run: by dispatch (`AckFirst`), or by an ack inside the call.
    fn first_kept(&self) -> i64 {
        match self.subscriber.handler.ack {
            AckPolicy::AckFirst => i64::MIN,
            AckPolicy::Manual if self.open > 0 => {
                let open = self.records.iter().find(|(_, record)| record.open);
                open.map_or(self.prefix, |(offset, _)| self.prefix.min(*offset))
            }
            _ => self.prefix,
        }
    }

    /// Returns the records that began and have not ended, as far as that is known.
    pub(super) fn kept(&self) -> impl Iterator<Item = &RecordModel> {
        let begun = self.records.range(self.first_kept()..).map(|(_, record)| record);
        begun.filter(|record| record.open || !record.finished)
    }

    /// Returns the record offsets of finished records whose results are not published yet.
    pub(super) fn owing<'a>(&'a self, log_index: &'a LogIndex) -> impl Iterator<Item = i64> + 'a {
        self.records.iter().filter(|(_, record)| record.owes_results(log_index)).map(|(offset, _)| *offset)
    }

    /// Returns the partition for messages: `orders/0`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.tp.topic, self.tp.partition)
    }

    /// Returns what is left to do for a record, in words.
    pub(super) fn describe(&self, offset: i64, log_index: &LogIndex) -> String {
        let handler = &self.subscriber.handler.name;
        match self.left(offset, log_index) {
            Left::Nothing => format!("nothing is left to do for {handler}"),
            Left::Begin => format!("it was never handed to {handler}"),
            Left::Call(attempt) => format!("attempt {attempt} of {handler} still runs, or was cut off"),
            Left::Ack => format!("{handler} returned, its `Ack` is not settled"),
            Left::Copies => format!("a result of {handler} is not in its topic"),
            Left::RetryCopy(topic) => format!("{handler} failed, and its copy is not in {topic}"),
            Left::DeadLetter(topic) => {
                format!("{handler} gave it up, and its dead letter is not in {topic}")
            }
            Left::Attempt(after) => format!("attempt {after} of {handler} failed, another is to come"),
            Left::Help => format!("{handler} holds it"),
        }
    }
}
