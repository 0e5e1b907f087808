//! The memberships in the model: which lanes a member has, and how it answers revocations.
//!
//! It checks promise 4 (a revocation is answered in time, and nothing is repeated without a reason) and promise 10
//! (the task of a lane does not die). Reported by the broker, in the moment when each event happens there.

use crate::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::checker::{Model, PendingRevocation};
use super::guard_model::DeadLetters;
use super::log_index::Proof;
use super::model::LaneModel;
use super::promise::Promise;
use crate::broker::{Epoch, RevocationId};
use crate::memory::SESSION;
use crate::policy::Commit;
use crate::subscriber::Subscriber;

/// The time that the answer to a revocation may take beyond the drain time: promise 4.
const ANSWER: Duration = Duration::from_millis(100);
/// The time that the answer may take if the membership was lost. Nothing is drained then, because others may own
/// the partitions already.
const ANSWER_LOST: Duration = Duration::from_millis(300);

impl Model {
    /// Adds the model of a new lane, which begins at the record offset `start`. A group or topic that no
    /// subscriber of the app reads is ignored.
    pub(super) fn assigned(
        &mut self,
        group: &str,
        member: u64,
        lane: Epoch,
        tp: &TopicPartition,
        start: i64,
    ) {
        let reads = |subscriber: &&Arc<Subscriber>| {
            *subscriber.spec.group == *group && subscriber.spec.reads(&tp.topic)
        };
        let Some(subscriber) = self.subscribers.iter().find(reads).cloned() else { return };
        let number = self.lanes.len() + 1;
        self.note(("assigned", number, member, start), || {
            format!(
                "{}/{} to member {member} of {group}, from {start} (lane {number})",
                tp.topic, tp.partition
            )
        });
        let model = LaneModel {
            number,
            group: Arc::clone(&subscriber.spec.group),
            member,
            tp: tp.clone(),
            settings: self.settings.get(group).cloned().unwrap_or_default(),
            subscriber,
            records: BTreeMap::new(),
            prefix: start,
            stored: start,
            accepted: start,
            accepted_at: Instant::now(),
            highest: start - 1,
            braked: None,
            open: 0,
            revoked: false,
            over: self.gone.contains(&member),
            died: false,
            paused: false,
            sought: false,
            refused: None,
            member_heard: Instant::now(),
            dirty: None,
            stuck: None,
            hooks_until: Instant::now() + self.hooks_take,
            dead_letters: DeadLetters::default(),
        };
        self.lanes.insert(lane, model);
    }

    /// Notes a revocation, and when its answer is due: the longest drain time of its lanes and `ANSWER`, but not
    /// before the answers that the member owes already.
    ///
    /// A lost membership makes all open revocations of the member lost, and shortens none of them.
    pub(super) fn revoked(&mut self, member: u64, revocation: RevocationId, lanes: &[Epoch], lost: bool) {
        let now = Instant::now();
        let known: Vec<_> = lanes.iter().filter(|lane| self.lanes.contains_key(lane)).copied().collect();
        let numbers: Vec<_> = known.iter().map(|lane| self.lanes[lane].number).collect();
        self.note(("revoked", member, lost, &numbers), || {
            format!("{} of member {member}: lanes {numbers:?}", if lost { "lost" } else { "revoked" })
        });
        let drain = known.iter().map(|lane| self.lanes[lane].subscriber.spec.drain).max().unwrap_or_default();
        for lane in &known {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.revoked = true;
            }
        }
        // The coordinator does not know yet that the member is gone: nobody will answer.
        if self.gone.contains(&member) {
            return;
        }
        if lost {
            // Whatever else it was to release may have another owner already.
            let of_member = self.pending_revocations.values_mut().filter(|pending| pending.member == member);
            of_member.for_each(|pending| pending.lost = true);
        }
        // Answers keep their order: one that waits for others takes as long as they do.
        let ahead = self
            .pending_revocations
            .values()
            .filter(|pending| pending.member == member)
            .map(|pending| pending.until)
            .max();
        let alone = now + if lost { ANSWER_LOST.min(drain + ANSWER) } else { drain + ANSWER };
        let until = ahead.map_or(alone, |ahead| alone.max(ahead));
        self.unsettled_until = self.unsettled_until.max(until);
        self.pending_revocations
            .insert(revocation, PendingRevocation { member, lanes: known, lost, until, since: now });
    }

    /// Handles the answer of a member: it must be in time, and its lanes end.
    pub(super) fn answered(&mut self, member: u64, revocation: RevocationId) {
        self.note(("answered", member), || format!("member {member} answers"));
        self.check_answers();
        let Some(pending) = self.pending_revocations.remove(&revocation) else { return };
        for lane in pending.lanes {
            self.check_given_back(lane, pending.lost, pending.since);
            if let Some(lane) = self.lanes.get_mut(&lane) {
                lane.over = true;
                lane.stuck = None;
            }
        }
    }

    /// Checks that every answer that is due was given. Called at each answer and between steps.
    pub(super) fn check_answers(&mut self) {
        let now = Instant::now();
        let Some(pending) = self.pending_revocations.values().find(|pending| pending.until < now) else {
            return;
        };
        let what = if pending.lost { "a lost membership" } else { "a revocation" };
        let since = pending.since;
        let first = pending.lanes.first().and_then(|lane| self.lanes.get(lane));
        let whose = first.map_or_else(String::new, |first| {
            let subscriber = &first.subscriber;
            format!(
                " of {}, handler {}, drain {:?}",
                first.name(),
                subscriber.handler.name,
                subscriber.spec.drain
            )
        });
        self.violated(
            Promise::RevocationsAnswered,
            format!("{what}{whose} was not answered {:?} after it came", since.elapsed()),
        );
    }

    /// Checks that a lane which had nothing in progress left nothing that the next owner handles again: all that
    /// was finished must be committed.
    ///
    /// Many cases are left out, because the last commit need not succeed there: a lost membership, disturbed
    /// commits, a refused commit before, a lane that died, a copy that was refused for good, and a revocation that
    /// took all of its drain time. A record that ended in the very moment of the deadline may have been cut off.
    /// With `commit = Each` each record is committed by itself.
    pub(super) fn check_given_back(&mut self, lane: Epoch, lost: bool, since: Instant) {
        if lost || self.commits_disturbed {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.advance(lane.highest + 1, &mut self.log_index, Proof::Sure);
        // A call that ended in the moment of the deadline was cancelled.
        let in_time = since.elapsed() < lane.subscriber.spec.drain;
        let is_sure = in_time && !lane.died && !lane.may_hold(&self.log_index);
        let is_clean = is_sure && lane.open == 0 && lane.prefix == lane.highest + 1;
        if is_clean
            && lane.refused.is_none()
            && lane.accepted < lane.prefix
            && lane.subscriber.spec.commit != Commit::Each
        {
            let message = format!(
                "{} was given back with {} finished up to {}, and {} committed: they are handled again for nothing",
                lane.name(),
                lane.subscriber.handler.name,
                lane.prefix,
                lane.accepted
            );
            self.violated(Promise::RevocationsAnswered, message);
        }
    }

    /// Notes that the task of a lane is gone. If nobody asked for that, it died.
    pub(super) fn lane_ended(&mut self, lane: Epoch) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.over = true;
        // If a fault ends it, it may end before it is revoked.
        lane.died = !(lane.revoked || lane.sought) || self.reads_broken;
        lane.stuck = None;
        let number = lane.number;
        lane.open = 0;
        self.note(("lane ended", number), || format!("lane {number} ends"));
    }

    /// Checks promise 10: only a fault (`BrokenReads`) may end the task of a lane.
    pub(super) fn reopened(&mut self, lane: Epoch) {
        let Some(lane) = self.lanes.get(&lane) else { return };
        let (number, tp, handler) = (lane.number, lane.name(), Arc::clone(&lane.subscriber.handler.name));
        self.note(("reopened", number), || format!("{tp} is opened again: lane {number} had died"));
        if !self.reads_broken {
            self.violated(
                Promise::NothingEndsTheLoop,
                format!("{tp}, handler {handler}: the task that reads it died"),
            );
        }
    }

    /// Removes a member that crashed or left. It has no revocations to answer, and its partitions have no reader
    /// until its session expires.
    pub(super) fn member_gone(&mut self, member: u64) {
        self.gone.insert(member);
        self.unsettle(SESSION);
        self.pending_revocations.retain(|_, pending| pending.member != member);
        for lane in self.lanes.values_mut().filter(|lane| lane.member == member) {
            lane.revoked = true;
            lane.stuck = None;
        }
    }
}
