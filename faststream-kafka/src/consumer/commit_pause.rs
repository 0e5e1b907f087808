//! The pause before a commit that may cost the membership once more.
//!
//! A commit that is refused with an illegal generation costs the membership, and all that was handled since the last
//! accepted one is handled again. While that goes on, the next one waits twice as long each time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);

/// One of a group: it outlives the client, which may be replaced because of such a commit.
#[derive(Debug, Default)]
pub(crate) struct CommitPause(Mutex<Duration>);

impl CommitPause {
    /// Zero if the last commit did not cost the membership.
    pub(super) fn get(&self) -> Duration {
        *self.pause()
    }

    /// A commit has cost the membership.
    pub(super) fn lengthen(&self) {
        let mut pause = self.pause();
        *pause = (*pause * 2).clamp(FIRST, LONGEST);
    }

    /// A commit was accepted.
    pub(super) fn end(&self) {
        *self.pause() = Duration::ZERO;
    }

    fn pause(&self) -> MutexGuard<'_, Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_longest_until_a_commit_is_accepted() {
        let pause = CommitPause::default();
        let mut seconds = Vec::new();
        for _ in 0..6 {
            pause.lengthen();
            seconds.push(pause.get().as_secs());
        }
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30]);
        pause.end();
        assert_eq!(pause.get(), Duration::ZERO);
    }
}
