//! What became of a record.

use std::fmt;

/// What became of a record, once its outcome is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// Finished: it was handled.
    Acked,
    /// Finished without having been handled: the handler, `on_error` or `--skip` said so.
    Skipped,
    /// Finished: its dead letter is confirmed.
    DeadLettered,
    /// Finished: it goes on in a retry topic, where its copy is confirmed.
    Retried,
    /// It failed, and its policy finishes it all the same.
    Failed,
    /// It failed, and waits for its next attempt.
    Waiting,
    /// It is kept back: nothing behind it moves.
    Held,
    /// The app stops because of it; it is not finished.
    Stopped,
}

impl Disposition {
    /// As logs call it: `dead-lettered`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Acked => "acked",
            Self::Skipped => "skipped",
            Self::DeadLettered => "dead-lettered",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
