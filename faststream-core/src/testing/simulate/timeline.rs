//! What happened in a run, in virtual time: a hash always, the lines only when somebody will read them.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Lines shown before and after the fault.
const BEFORE: usize = 60;
const AFTER: usize = 6;

#[derive(Debug)]
pub(super) struct Timeline {
    /// Made without random keys: the same run has the same hash in every process.
    hasher: DefaultHasher,
    /// None: only the hash is asked for.
    lines: Option<Vec<(Duration, String)>>,
    /// How many lines there were when the promise broke.
    fault: Option<usize>,
    /// The run has ended: threads that are ended with it change nothing.
    is_over: bool,
}

impl Timeline {
    pub(super) fn new(keep: bool) -> Self {
        Self { hasher: DefaultHasher::new(), lines: keep.then(Vec::new), fault: None, is_over: false }
    }

    /// Notes what happened: `what` counts for the hash, `text` is what one reads.
    pub(super) fn note(&mut self, at: Duration, what: impl Hash, text: impl FnOnce() -> String) {
        if self.is_over {
            return;
        }
        (at.as_millis(), what).hash(&mut self.hasher);
        if let Some(lines) = &mut self.lines {
            lines.push((at, text()));
        }
    }

    /// The promise broke here: at the moment of what was noted last.
    pub(super) fn mark(&mut self, message: &str) {
        if let Some(lines) = &mut self.lines {
            let at = lines.last().map_or(Duration::ZERO, |(at, _)| *at);
            lines.push((at, format!("BROKEN: {message}")));
            self.fault.get_or_insert(lines.len());
        }
    }

    /// The run has ended.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The lines around the fault, or all of them.
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
