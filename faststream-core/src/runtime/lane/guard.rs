//! The dead-letter guard: a bad deploy must not drain a good topic into its dead-letter topic.
//!
//! Pure counting for one lane. It knows no broker and no clock. Another assignment counts anew.

use std::collections::VecDeque;

use super::entry::CallFailure;
use crate::policy::DeadLetterGuard;

/// Counts how many of the last records became dead letters.
#[derive(Debug)]
pub(super) struct Guard {
    /// The limits; `None` turns the guard off.
    limit: Option<DeadLetterGuard>,
    /// Finished records, whatever happened to them.
    finished: u64,
    /// Dead letters since a record last finished otherwise.
    in_a_row: u32,
    /// Which of the last finished records became dead letters, by their number.
    dead: VecDeque<u64>,
    /// Why the dead letters in a row failed; `None` if the reasons differ.
    reason: Option<Reason>,
}

/// Why a record failed: the error's kind and text, without the parts that differ from record to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason(String);

/// The held record is the probe with which the guard detects that the cause is fixed. It may be bad itself: after this
/// many attempts the guard gives up on it, and the next one is the probe.
const PROBES: u32 = 10;

impl Guard {
    pub(super) fn new(limit: Option<DeadLetterGuard>) -> Self {
        Self { limit, finished: 0, in_a_row: 0, dead: VecDeque::new(), reason: None }
    }

    /// Records that a record finished otherwise.
    pub(super) fn fine(&mut self) {
        self.finished += 1;
        self.in_a_row = 0;
        self.reason = None;
    }

    /// Records a dead letter.
    pub(super) fn dead_lettered(&mut self, reason: Reason) {
        self.finished += 1;
        let is_first = self.in_a_row == 0;
        self.reason = (is_first || self.reason.as_ref() == Some(&reason)).then_some(reason);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.dead.push_back(self.finished);
    }

    /// Starts again from zero: a held record was handled, so the cause is fixed.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.limit);
    }

    /// Records that the held record failed once more, `times` times by now. Returns whether to give up on it anyway: it
    /// failed for a reason of its own, so the cause of the other failures may be fixed; or it failed often enough. The
    /// next dead letter is refused again.
    pub(super) fn gives_up_probe(&self, reason: &Reason, times: u32) -> bool {
        times >= PROBES || self.reason.as_ref().is_some_and(|others| others != reason)
    }

    /// Returns why the next dead letter must not be written; `None` if it may be.
    pub(super) fn refuses(&mut self) -> Option<String> {
        let limit = self.limit?;
        if self.in_a_row >= limit.in_a_row() {
            return Some(format!("{} dead letters in a row", self.in_a_row));
        }
        let (percent, of) = limit.share();
        while self.dead.front().is_some_and(|number| *number + u64::from(of) <= self.finished) {
            self.dead.pop_front();
        }
        let dead = self.dead.len() as u64;
        let many = self.finished >= u64::from(of) && dead * 100 >= u64::from(percent) * u64::from(of);
        many.then(|| format!("{dead} dead letters among the last {of} records"))
    }
}

impl Reason {
    pub(super) fn of(failure: &CallFailure) -> Self {
        let text = failure.message.chars().take(200).filter(|letter| !letter.is_ascii_digit());
        Self(format!("{}: {}", failure.kind, text.collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Reason {
        Reason::of(&CallFailure { kind: "error", message: text.into() })
    }

    #[test]
    fn a_probe_that_fails_for_a_reason_of_its_own_or_the_tenth_time_is_given_up_and_the_next_one_is_kept_back()
     {
        let mut guard = guard();
        for number in 0..50 {
            guard.dead_lettered(reason(&format!("record {number}: no database")));
        }
        assert!(!guard.gives_up_probe(&reason("record 50: no database"), 1));
        assert!(guard.gives_up_probe(&reason("this one is bad"), 2));
        guard.dead_lettered(reason("this one is bad"));
        assert!(guard.refuses().is_some(), "the next one is kept back again");
        let given_up = (1..20).find(|times| guard.gives_up_probe(&reason("no database"), *times));
        assert_eq!(given_up, Some(10), "of a mixed row, only the tenth attempt gives one up");
    }

    fn guard() -> Guard {
        Guard::new(Some(DeadLetterGuard::default()))
    }

    #[test]
    fn fifty_in_a_row_are_too_many_and_one_success_between_them_is_not() {
        let mut guard = guard();
        for _ in 0..49 {
            guard.dead_lettered(reason("fails"));
        }
        assert_eq!(guard.refuses(), None);
        guard.fine();
        guard.dead_lettered(reason("fails"));
        assert_eq!(guard.refuses(), None);
        for _ in 0..49 {
            guard.dead_lettered(reason("fails"));
        }
        assert_eq!(guard.refuses().as_deref(), Some("50 dead letters in a row"));
        guard.reset();
        assert_eq!(guard.refuses(), None);
    }

    #[test]
    fn nine_of_ten_are_too_many_once_two_hundred_are_finished_and_eight_of_ten_never() {
        for (fine_of_ten, refused) in [(1, true), (2, false)] {
            let mut guard = guard();
            for number in 0..2_000 {
                let before = guard.refuses();
                assert!(number >= 200 || before.is_none(), "{number}: {before:?}");
                if number % 10 < fine_of_ten { guard.fine() } else { guard.dead_lettered(reason("fails")) }
            }
            assert_eq!(guard.refuses().is_some(), refused, "{fine_of_ten} of ten are fine");
            assert!(guard.dead.len() <= 200, "it forgets");
        }
    }

    #[test]
    fn old_dead_letters_are_forgotten() {
        let mut guard = guard();
        for number in 0..400 {
            if number % 10 == 0 { guard.fine() } else { guard.dead_lettered(reason("fails")) }
        }
        assert!(guard.refuses().is_some());
        for _ in 0..21 {
            guard.fine();
        }
        assert_eq!(guard.refuses(), None);
    }

    #[test]
    fn switched_off_it_refuses_nothing() {
        let mut guard = Guard::new(None);
        for _ in 0..1_000 {
            guard.dead_lettered(reason("fails"));
        }
        assert_eq!(guard.refuses(), None);
    }
}
