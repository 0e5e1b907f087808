//! The wait for a run of `on_revoked`.

use tokio::time::Instant;

use super::Action;
use crate::broker::RevocationId;

/// A run of `on_revoked`, and how long to wait for it: the drain time counts from the revocation, so hook and
/// calls share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum HookState {
    /// None is awaited: there is no hook, it has ended, or its time is over.
    #[default]
    Unwanted,
    /// It runs once the calls have ended.
    Wanted {
        /// When the wait ends, once it runs.
        until: Instant,
    },
    /// It runs.
    Runs {
        /// When the wait ends, whether or not the hook does.
        until: Instant,
    },
}

impl HookState {
    /// Waits for the hook, which the first call starts. Returns false once the wait has ended.
    pub(super) fn waits(&mut self, now: Instant, id: Option<RevocationId>, out: &mut Vec<Action>) -> bool {
        match *self {
            Self::Unwanted => false,
            Self::Wanted { until } => {
                *self = Self::Runs { until };
                out.push(Action::Hook(id));
                true
            }
            Self::Runs { until } if now < until => true,
            Self::Runs { .. } => {
                *self = Self::Unwanted;
                false
            }
        }
    }

    /// Returns when the wait ends. A hook that has not started waits for lanes, which have deadlines of their own.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Runs { until } => Some(until),
            Self::Unwanted | Self::Wanted { .. } => None,
        }
    }
}
