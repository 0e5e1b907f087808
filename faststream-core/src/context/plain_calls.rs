//! The plain calls of an app, by which the next assignment finds a call that an earlier one left behind.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{PlainCall, Threads};

/// The plain calls of an app: where they run, and which ones run.
#[derive(Default)]
pub struct PlainCalls {
    threads: Threads,
    /// The calls that have begun. Locked last: a call that begins holds its own lock.
    begun: Mutex<Vec<PlainCall>>,
}

impl PlainCalls {
    /// Returns plain calls that run on these threads.
    #[must_use]
    pub fn new(threads: Threads) -> Self {
        Self { threads, begun: Mutex::default() }
    }

    /// Returns where plain functions run.
    pub(crate) fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Returns how many calls still run although their assignment has ended.
    #[must_use]
    pub fn left(&self) -> usize {
        let begun = self.begun().clone();
        begun.iter().filter(|call| call.is_left()).count()
    }

    /// Returns a call of the same record that an earlier assignment began.
    pub(super) fn earlier(&self, call: &PlainCall) -> Option<PlainCall> {
        self.begun().iter().find(|begun| begun.is_earlier_for_record_of(call)).cloned()
    }

    /// Remembers a call that begins, until it is forgotten.
    pub(super) fn remember(&self, call: PlainCall) {
        self.begun().push(call);
    }

    /// Forgets a call that ended.
    pub(super) fn forget(&self, call: &PlainCall) {
        self.begun().retain(|other| !other.is(call));
    }

    fn begun(&self) -> MutexGuard<'_, Vec<PlainCall>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for PlainCalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainCalls").field("threads", &self.threads).finish_non_exhaustive()
    }
}
