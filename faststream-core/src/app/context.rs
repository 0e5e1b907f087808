//! The run-time context of the whole app: states, the producer, the source of randomness, the observer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Skip, States, StopRequest, Tally};
use crate::broker::{Epoch, Producer};
use crate::result::{Disposition, Outcome, Verdict};
use crate::runtime::{IdleTracker, PlainCalls};

/// What the app shares with its handlers, for one broker. Created when the app starts.
pub struct Context {
    /// The app's name.
    pub app: Arc<str>,
    /// Shared values, by type.
    pub states: Arc<States>,
    /// The producer of the broker that the handler reads from.
    pub producer: Arc<dyn Producer>,
    /// The observer, which is notified of the end of every call. `None` costs nothing.
    pub observer: Option<Arc<dyn Observer>>,
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

/// Is notified of every call, on the lane's task. Implementations must be quick and must not block.
pub trait Observer: Send + Sync {
    /// Reports that a call is about to begin.
    fn begins(&self, _begin: &CallBegin<'_>) {}

    /// Reports that a plain function begins, on its own thread. [`begins`](Self::begins) reported it when it was
    /// queued.
    fn plain_begins(&self, _begin: &CallBegin<'_>) {}

    /// Reports that a plain function ended, on its own thread, whether or not anybody waits for it.
    fn plain_ended(&self, _begin: &CallBegin<'_>) {}

    /// Reports that the user settled an `Ack`.
    fn manually_settled(&self, _settled: &ManuallySettled<'_>) {}

    /// Reports that a call ended.
    fn called(&self, report: &CallReport<'_>);

    /// Reports what happened to the record, once it is decided.
    fn settled(
        &self,
        _handler: &str,
        _topic: &str,
        _partition: i32,
        _offset: i64,
        _disposition: Disposition,
    ) {
    }
}

/// An `Ack` that the user settled.
#[derive(Debug)]
pub struct ManuallySettled<'a> {
    /// The assignment that the `Ack` belongs to.
    pub lane: Epoch,
    /// The record's offset.
    pub offset: i64,
    /// The attempt that received the `Ack`.
    pub attempt: u32,
    /// The verdict; a nack if the `Ack` was dropped.
    pub verdict: &'a Verdict,
    /// False if the settlement was too late.
    pub accepted: bool,
    /// Whether a caller waits until the broker has committed it.
    pub durable: bool,
}

/// The beginning of one call.
#[derive(Debug)]
pub struct CallBegin<'a> {
    /// The handler's name.
    pub handler: &'a str,
    /// The assignment in which the handler is called.
    pub lane: Epoch,
    /// The offset of the record that the handler receives.
    pub offset: i64,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// The end of one call.
#[derive(Debug)]
pub struct CallReport<'a> {
    /// The handler's name.
    pub handler: &'a str,
    /// The handler's group.
    pub group: &'a str,
    /// The assignment in which the handler was called.
    pub lane: Epoch,
    /// The topic that the record was read from; for a record in a retry topic, the retry topic.
    pub topic: &'a str,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// 1 for the first attempt; attempts in earlier retry topics are counted.
    pub attempt: u32,
    /// The outcome of the call.
    pub outcome: &'a Outcome,
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
