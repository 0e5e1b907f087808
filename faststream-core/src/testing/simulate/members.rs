//! What members are told of their partitions, and how they answer.

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

/// What a revocation may take beyond its drain time.
const ANSWER: Duration = Duration::from_millis(100);
/// What a lost one may take in all.
const ANSWER_LOST: Duration = Duration::from_millis(300);

impl Model {
    pub(super) fn assigned(
        &mut self,
        group: &str,
        member: u64,
        lane: Epoch,
        tp: &TopicPartition,
        start: i64,
    ) {
        let reads =
            |subscriber: &&Arc<Subscriber>| *subscriber.group == *group && subscriber.reads(&tp.topic);
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
            group: Arc::clone(&subscriber.group),
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
            refused: None,
            member_heard: Instant::now(),
            dirty: None,
            stuck: None,
            hooks_until: Instant::now() + self.hooks_take,
            dead_letters: DeadLetters::default(),
        };
        self.lanes.insert(lane, model);
    }

    pub(super) fn revoked(&mut self, member: u64, revocation: RevocationId, lanes: &[Epoch], lost: bool) {
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
            let of_member = self.pending_revocations.values_mut().filter(|pending| pending.member == member);
            of_member.for_each(|pending| pending.lost = true);
        }
        // Answers keep their order: one that waits behind others takes as long as they do.
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

    /// Every answer that is due was given.
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
            format!(" of {}, handler {}, drain {:?}", first.name(), subscriber.handler, subscriber.drain)
        });
        self.violated(
            Promise::RevocationsAnswered,
            format!("{what}{whose} was not answered {:?} after it came", since.elapsed()),
        );
    }

    /// A lane that had nothing open left nothing to be done again.
    pub(super) fn check_given_back(&mut self, lane: Epoch, lost: bool, since: Instant) {
        if lost || self.commits_disturbed {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.advance(lane.highest + 1, &mut self.log_index, Proof::Sure);
        // What ends in the very moment of its deadline was cut off.
        let in_time = since.elapsed() < lane.subscriber.drain;
        let is_sure = in_time && !lane.died && !lane.may_hold(&self.log_index);
        let is_clean = is_sure && lane.open == 0 && lane.prefix == lane.highest + 1;
        if is_clean
            && lane.refused.is_none()
            && lane.accepted < lane.prefix
            && lane.subscriber.commit != Commit::Each
        {
            let message = format!(
                "{} was given back with {} finished up to {}, and {} committed: they are handled again for nothing",
                lane.name(),
                lane.subscriber.handler,
                lane.prefix,
                lane.accepted
            );
            self.violated(Promise::RevocationsAnswered, message);
        }
    }

    pub(super) fn lane_ended(&mut self, lane: Epoch) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.over = true;
        // Made to die, it may do so before it hears that it is revoked.
        lane.died = !lane.revoked || self.reads_broken;
        lane.stuck = None;
        let number = lane.number;
        lane.open = 0;
        self.note(("lane ended", number), || format!("lane {number} ends"));
    }

    pub(super) fn reopened(&mut self, lane: Epoch) {
        let Some(lane) = self.lanes.get(&lane) else { return };
        let (number, tp, handler) = (lane.number, lane.name(), Arc::clone(&lane.subscriber.handler));
        self.note(("reopened", number), || format!("{tp} is opened again: lane {number} had died"));
        if !self.reads_broken {
            self.violated(
                Promise::NothingEndsTheLoop,
                format!("{tp}, handler {handler}: the task that reads it died"),
            );
        }
    }

    /// It owes nothing, and reads nothing.
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
