//! Stored and committed offsets, against finished records.
//!
//! It checks promise 1 at both moments: when the runtime stores an offset, and when the broker accepts it. A store
//! is the earlier one, so a bug shows there, even if a crash would prevent the commit.

use tokio::time::Instant;

use super::checker::Model;
use super::log_index::Proof;
use super::model::LaneModel;
use super::promise::Promise;
use crate::broker::Epoch;

impl Model {
    /// Handles a store: `next` may be committed from now on, so everything before it must be finished.
    pub(super) fn stored(&mut self, lane: Epoch, next: i64) {
        let Some(model) = self.lanes.get_mut(&lane) else { return };
        model.stored = next;
        if next > model.accepted {
            model.dirty.get_or_insert_with(Instant::now);
        }
        let number = model.number;
        self.note(("stored", number, next), || format!("lane {number} stores {next}"));
        self.check_covers(lane, next, "stored, to be committed");
    }

    /// Handles the answer to a commit. An accepted one releases the brake; the first refused one turns it on, with
    /// the highest record that had begun by then.
    pub(super) fn committed(&mut self, lane: Epoch, next: i64, refused: Option<String>) {
        let now = Instant::now();
        let Some(model) = self.lanes.get_mut(&lane) else { return };
        let (number, is_taken) = (model.number, refused.is_none());
        if is_taken {
            if next > model.accepted {
                (model.accepted, model.accepted_at) = (next, now);
            }
            model.refused = None;
            model.braked = None;
            model.dirty = (model.stored > next).then_some(now);
        } else if model.refused.is_none() {
            model.refused = Some(now);
            model.braked.get_or_insert((now, model.highest));
        }
        let (tp, member) = (model.name(), model.member);
        if is_taken {
            let of_member = self.lanes.values_mut().filter(|lane| lane.member == member);
            of_member.for_each(|lane| lane.member_heard = now);
        } else {
            self.disturbed_until = now;
        }
        self.note(("committed", number, next, is_taken), || match refused {
            None => format!("{tp}: {next} committed (lane {number})"),
            Some(error) => format!("{tp}: commit of {next} refused (lane {number}): {error}"),
        });
        if is_taken {
            self.check_covers(lane, next, "committed");
        }
    }

    /// Checks that everything before `next` was finished in this assignment, and that the guard let through no
    /// more dead letters than it may.
    ///
    /// The copies need only be assumed to be the lane's own: the runtime knows the broker's answers, and decides.
    /// The finished records are noted for the end of the run, from the newest to the first that is noted already.
    pub(super) fn check_covers(&mut self, lane: Epoch, next: i64, what: &str) {
        let Some(model) = self.lanes.get_mut(&lane) else { return };
        model.advance(next, &mut self.log_index, Proof::Assumed);
        let offset = model.prefix;
        let guard = model.check_guard();
        for finished in model.records.range(..offset).rev().map(|(offset, _)| *offset) {
            if !self.settled.insert(model.origin(finished)) {
                break;
            }
        }
        if offset < next {
            let message = format!(
                "{}: {next} was {what} for group {}, and offset {offset} is not finished: {}",
                model.name(),
                model.group,
                model.describe(offset, &self.log_index)
            );
            self.violated(Promise::CommitsOnlyFinished, message);
        }
        if let Some(message) = guard {
            self.violated(Promise::Guarded, message);
        }
    }
}

impl LaneModel {
    /// Turns the brake on after a long silence: the broker has answered no commit for some intervals. The runtime
    /// does so after 3, by a timer; the model demands it after 5.
    pub(super) fn notice_silence(&mut self) {
        let most = self.settings.commit_interval * 5;
        let silent = self.dirty.map(|since| since.max(self.member_heard));
        if silent.is_some_and(|since| since.elapsed() > most) {
            self.braked.get_or_insert((Instant::now(), self.highest));
        }
    }
}
