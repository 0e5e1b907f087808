//! How many records an app has finished since its startup, for the log line at its end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::log::count;

/// The number of finished records, by what happened to them. Lanes add to it once a turn.
#[derive(Debug, Default)]
pub struct Tally {
    handled: AtomicU64,
    dead_lettered: AtomicU64,
    skipped: AtomicU64,
}

impl Tally {
    /// Adds `more` handled records.
    pub(crate) fn handled(&self, more: u64) {
        self.handled.fetch_add(more, Relaxed);
    }

    /// Adds one dead-lettered record.
    pub(crate) fn dead_lettered(&self) {
        self.dead_lettered.fetch_add(1, Relaxed);
    }

    /// Adds one skipped record.
    pub(crate) fn skipped(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }

    /// Returns `1,234 handled, 2 dead-lettered`.
    pub(crate) fn message(&self) -> String {
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
