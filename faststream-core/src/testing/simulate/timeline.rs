//! The events of a run, in virtual time: always as a hash, and as lines only when somebody will read them.
//!
//!
//! The hash shows that a run repeats. Lines are kept when a failing seed is run again, or when a seed is named.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How many lines are shown before the violation.
const BEFORE: usize = 60;
/// How many lines are shown after it.
const AFTER: usize = 6;

/// The events of one run.
#[derive(Debug)]
pub(super) struct Timeline {
    /// The hash of all events. It has no random keys, so the same run has the same hash in every process.
    hasher: DefaultHasher,
    /// The time of each event since the run began, and its text; `None` if only the hash is wanted.
    lines: Option<Vec<(Duration, String)>>,
    /// How many lines there were when the promise was broken, its own included.
    fault: Option<usize>,
    /// Whether the run has ended. Threads that end with it add nothing any more, because their order does not
    /// repeat.
    is_over: bool,
}

impl Timeline {
    /// Returns an empty timeline. `keep` keeps the lines.
    pub(super) fn new(keep: bool) -> Self {
        Self { hasher: DefaultHasher::new(), lines: keep.then(Vec::new), fault: None, is_over: false }
    }

    /// Adds an event. `what` counts for the hash, with its time in milliseconds; `text` is built only if lines are
    /// kept.
    ///
    /// The text does not count for the hash: it may name a lane by a number that the event has already, or an
    /// error by a text that changes.
    pub(super) fn note(&mut self, at: Duration, what: impl Hash, text: impl FnOnce() -> String) {
        if self.is_over {
            return;
        }
        (at.as_millis(), what).hash(&mut self.hasher);
        if let Some(lines) = &mut self.lines {
            lines.push((at, text()));
        }
    }

    /// Marks the violation, at the moment of the last event. Only the first one counts.
    pub(super) fn mark(&mut self, message: &str) {
        if let Some(lines) = &mut self.lines {
            let at = lines.last().map_or(Duration::ZERO, |(at, _)| *at);
            lines.push((at, format!("BROKEN: {message}")));
            self.fault.get_or_insert(lines.len());
        }
    }

    /// Ends the timeline: later events are ignored.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Returns the hash of the events so far.
    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// Returns the lines around the violation, or all of them.
    pub(super) fn show(&self, all: bool) -> String {
        let lines = self.lines.as_deref().unwrap_or_default();
        let fault = self.fault.unwrap_or(lines.len());
        let (from, to) = if all {
            (0, lines.len())
        } else {
            (fault.saturating_sub(BEFORE), lines.len().min(fault + AFTER))
        };
        let mut text = String::new();
        if from > 0 {
            let _ = writeln!(text, "   ... {from} lines before; all of them with FASTSTREAM_SEED");
        }
        for (index, (at, line)) in lines.iter().enumerate().take(to).skip(from) {
            let mark = if index + 1 == fault { '>' } else { ' ' };
            let _ = writeln!(text, " {mark}{:9.3}  {line}", at.as_secs_f64());
        }
        text
    }
}
