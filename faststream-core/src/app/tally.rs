//! How many records an app has finished since its start, for what is logged at its end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::log::count;

/// Records that were finished, by what became of them. Lanes add to it once a turn.
#[derive(Debug, Default)]
pub struct Tally {
    handled: AtomicU64,
    dead_lettered: AtomicU64,
    skipped: AtomicU64,
}

impl Tally {
    /// So many more were handled.
    pub(crate) fn handled(&self, more: u64) {
        self.handled.fetch_add(more, Relaxed);
    }

    /// One more went to the dead letters.
    pub(crate) fn dead_lettered(&self) {
        self.dead_lettered.fetch_add(1, Relaxed);
    }

    /// One more was skipped.
    pub(crate) fn skipped(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }

    /// `1,234 handled, 2 dead-lettered`.
    pub(super) fn message(&self) -> String {
        let mut message = format!("{} handled", count(self.handled.load(Relaxed)));
        for (number, what) in [(&self.dead_lettered, "dead-lettered"), (&self.skipped, "skipped")] {
            let number = number.load(Relaxed);
            if number > 0 {
                message = format!("{message}, {} {what}", count(number));
            }
        }
        message
    }
}
