//! What happened to a record.

use std::fmt;

/// What happened to a record, once its outcome is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// Finished: the handler handled it.
    Acked,
    /// Finished without being handled, as the handler, `on_error` or `--skip` decided.
    Skipped,
    /// Finished: its dead letter is confirmed.
    DeadLettered,
    /// Finished: it continues in a retry topic, where its copy is confirmed.
    Retried,
    /// Failed, and finished by its ack policy anyway.
    Failed,
    /// Failed, and waiting for its next attempt.
    Waiting,
    /// Held: later records wait.
    Held,
    /// Not finished: the app stops because of it.
    Stopped,
}

impl Disposition {
    /// Returns the name in logs: `dead-lettered`.
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
