//! What is stored and committed, against what is finished.

use tokio::time::Instant;

use super::checker::Account;
use super::evidence::Proof;
use super::promise::Promise;
use crate::broker::Epoch;

impl Account {
    pub(super) fn stored(&mut self, lane: Epoch, next: i64) {
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        account.stored = next;
        if next > account.accepted {
            account.dirty.get_or_insert_with(Instant::now);
        }
        let number = account.number;
        self.note(("stored", number, next), || format!("lane {number} stores {next}"));
        self.check_covers(lane, next, "stored, to be committed");
    }

    pub(super) fn committed(&mut self, lane: Epoch, next: i64, refused: Option<String>) {
        let now = Instant::now();
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        let (number, is_taken) = (account.number, refused.is_none());
        if is_taken {
            if next > account.accepted {
                (account.accepted, account.accepted_at) = (next, now);
            }
            account.refused = None;
            account.braked = None;
            account.dirty = (account.stored > next).then_some(now);
        } else if account.refused.is_none() {
            account.refused = Some(now);
            account.braked.get_or_insert((now, account.highest));
        }
        let (tp, member) = (account.name(), account.member);
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

    /// Everything before `next` was finished in this assignment.
    pub(super) fn check_covers(&mut self, lane: Epoch, next: i64, what: &str) {
        let Some(account) = self.lanes.get_mut(&lane) else { return };
        account.advance(next, &mut self.evidence, Proof::Said);
        let offset = account.prefix;
        let guard = account.check_guard();
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
        if let Some(sentence) = guard {
            self.violated(Promise::Guarded, sentence);
        }
    }
}
