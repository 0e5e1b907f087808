//! The run-time context of the whole app: states, the producer, the source of randomness, the observers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{IdleTracker, Observers, PlainCalls, Skip, States, StopRequest, Tally};
use crate::broker::Producer;

/// What the app shares with its handlers, for one broker. Created when the app starts.
pub struct Context {
    /// The app's name.
    pub app: Arc<str>,
    /// Shared values, by type.
    pub states: Arc<States>,
    /// The producer of the broker that the handler reads from.
    pub producer: Arc<dyn Producer>,
    /// The observers, which are notified of the beginning and the end of every call.
    pub observers: Observers,
    /// Counts the work in progress, for tests that wait until everything has settled.
    pub idle: Arc<IdleTracker>,
    /// Calls of plain `fn`s: the threads on which they run, and the calls that outlived their assignment.
    pub plain: PlainCalls,
    /// Held records to skip, from `run --skip`.
    pub skips: BTreeSet<Skip>,
    /// Counts finished records. Shared by the contexts of all brokers of the app.
    pub tally: Arc<Tally>,
    /// Requests a stop of the whole app. Shared by the contexts of all brokers of the app.
    pub stop: Arc<StopRequest>,
    /// When the app started: Unix time in milliseconds, and the same moment on tokio's clock. A fixed time in tests.
    pub started: (i64, Instant),
    /// The source of jitter. Seeded in tests, so that a run repeats.
    pub random: Mutex<fastrand::Rng>,
}

impl Context {
    /// Returns a random number in 0..1.
    pub(crate) fn random(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    /// Returns the Unix time in milliseconds, by tokio's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        let since = self.started.1.elapsed().as_millis();
        self.started.0.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// Returns the first whole millisecond of Unix time at which `pause` is over, never an earlier one.
    pub(crate) fn ms_after(&self, pause: Duration) -> i64 {
        let over = self.started.1.elapsed().saturating_add(pause).as_nanos().div_ceil(1_000_000);
        self.started.0.saturating_add(i64::try_from(over).unwrap_or(i64::MAX))
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("app", &self.app)
            .field("states", &self.states)
            .finish_non_exhaustive()
    }
}
