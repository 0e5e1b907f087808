//! The dead-letter guard: a bad deploy must not drain a good topic into the dead letters.
//!
//! Pure counting of one lane. It knows no broker and no clock; another assignment counts anew.

use std::collections::VecDeque;

use crate::policy::DeadLetterGuard;
#[cfg(feature = "planted-bugs")]
use crate::runtime::planted::{self, Planted};

/// How many of the last records went to the dead letters.
#[derive(Debug)]
pub(super) struct Guard {
    /// `None` is switched off.
    limit: Option<DeadLetterGuard>,
    /// Records that are done with, whatever came of them.
    finished: u64,
    /// Dead letters since a record was last finished otherwise.
    in_a_row: u32,
    /// Which of the last finished ones were dead letters, by their number.
    dead: VecDeque<u64>,
}

impl Guard {
    pub(super) fn new(limit: Option<DeadLetterGuard>) -> Self {
        Self { limit, finished: 0, in_a_row: 0, dead: VecDeque::new() }
    }

    /// A record was finished otherwise.
    pub(super) fn fine(&mut self) {
        self.finished += 1;
        self.in_a_row = 0;
    }

    /// A record goes to the dead letters.
    pub(super) fn dead_lettered(&mut self) {
        self.finished += 1;
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.dead.push_back(self.finished);
    }

    /// A record that was kept back was handled after all: what failed was mended.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.limit);
    }

    /// Why the next dead letter is not to be written; `None` if it is.
    pub(super) fn refuses(&mut self) -> Option<String> {
        let limit = self.limit?;
        if self.in_a_row >= limit.in_a_row() {
            return Some(format!("{} dead letters in a row", self.in_a_row));
        }
        #[cfg(feature = "planted-bugs")]
        if planted::is_planted(Planted::ForgetShare) {
            return None;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(Some(DeadLetterGuard::default()))
    }

    #[test]
    fn fifty_in_a_row_are_too_many_and_one_success_between_them_is_not() {
        let mut guard = guard();
        for _ in 0..49 {
            guard.dead_lettered();
        }
        assert_eq!(guard.refuses(), None);
        guard.fine();
        guard.dead_lettered();
        assert_eq!(guard.refuses(), None);
        for _ in 0..49 {
            guard.dead_lettered();
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
                if number % 10 < fine_of_ten { guard.fine() } else { guard.dead_lettered() }
            }
            assert_eq!(guard.refuses().is_some(), refused, "{fine_of_ten} of ten are fine");
            assert!(guard.dead.len() <= 200, "it forgets");
        }
    }

    #[test]
    fn old_dead_letters_are_forgotten() {
        let mut guard = guard();
        for number in 0..400 {
            if number % 10 == 0 { guard.fine() } else { guard.dead_lettered() }
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
            guard.dead_lettered();
        }
        assert_eq!(guard.refuses(), None);
    }
}
