//! The pause before a commit that may cost the membership again.
//!
//! A commit that is refused with an illegal generation costs the membership, and all records since the last successful
//! commit are handled again. While that continues, the next commit waits twice as long each time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use faststream_core::policy::Backoff;

/// From the first pause to the longest. With the longest, a member that loses its membership at every commit still
/// handles records for half a minute each time.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));

/// The pause of one group. It outlives the client, which may be replaced because of such a commit. Only control
/// threads use the lock, so it never waits long.
#[derive(Debug)]
pub(crate) struct CommitPause(Mutex<Backoff>);

impl Default for CommitPause {
    fn default() -> Self {
        Self(Mutex::new(PAUSES))
    }
}

impl CommitPause {
    /// Returns the pause; zero if the last commit did not cost the membership.
    pub(super) fn get(&self) -> Duration {
        self.backoff().pause()
    }

    /// Records that a commit has cost the membership: 2 s, then twice as long each time, 30 s at most.
    pub(super) fn lengthen(&self) {
        self.backoff().lengthen();
    }

    /// Records a successful commit, which ends the pause.
    pub(super) fn end(&self) {
        self.backoff().end();
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
