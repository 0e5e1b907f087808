//! What the whole app shares at run time: states, the producer, the source of randomness, the observer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Skip, States, StopRequest, Tally};
use crate::broker::{Epoch, Producer};
use crate::result::{Disposition, Outcome, Verdict};
use crate::runtime::{IdleTracker, PlainCalls};

/// What the app shares with its handlers, for one broker. Made when the app starts.
pub struct Context {
    /// The app's name.
    pub app: Arc<str>,
    /// Shared values by type.
    pub states: Arc<States>,
    /// The producer of the broker that the handler reads from.
    pub producer: Arc<dyn Producer>,
    /// Told of every call's end; `None` costs nothing.
    pub observer: Option<Arc<dyn Observer>>,
    /// Counts what is under way, for tests that wait until all has settled.
    pub idle: Arc<IdleTracker>,
    /// Calls of plain `fn`s: where they run, and those that outlived their assignment.
    pub plain: PlainCalls,
    /// Held records to let go of, from `run --skip`.
    pub skips: BTreeSet<Skip>,
    /// Counts finished records; shared by the contexts of all its brokers.
    pub tally: Arc<Tally>,
    /// Asks the whole app to stop; shared by the contexts of all its brokers.
    pub stop: Arc<StopRequest>,
    /// When the app started: Unix time in milliseconds, and the same moment on tokio's clock. A fixed time in tests.
    pub started: (i64, Instant),
    /// Jitter. Seeded in tests, so that a run repeats.
    pub random: Mutex<fastrand::Rng>,
}

/// Is told of every call, on the lane's task: must be quick and must not block.
pub trait Observer: Send + Sync {
    /// A call is about to begin.
    fn begins(&self, _begin: &CallBegin<'_>) {}

    /// A plain function begins, on its own thread. It was told to [`begins`](Self::begins) when it was queued.
    fn plain_begins(&self, _begin: &CallBegin<'_>) {}

    /// A plain function ended, on its own thread; whether anybody waits for it or not.
    fn plain_ended(&self, _begin: &CallBegin<'_>) {}

    /// An `Ack` was settled by hand.
    fn manually_settled(&self, _settled: &ManuallySettled<'_>) {}

    /// A call ended.
    fn called(&self, report: &CallReport<'_>);

    /// What became of the record, once it is decided.
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

/// An `Ack` that was settled by hand.
#[derive(Debug)]
pub struct ManuallySettled<'a> {
    /// The assignment that it belongs to.
    pub lane: Epoch,
    /// The record's offset.
    pub offset: i64,
    /// The attempt that it was given to.
    pub attempt: u32,
    /// What it says; a nack if it was dropped.
    pub verdict: &'a Verdict,
    /// False if it was too late.
    pub accepted: bool,
    /// Somebody waits until the broker has committed it.
    pub durable: bool,
}

/// One call's begin.
#[derive(Debug)]
pub struct CallBegin<'a> {
    /// The handler's name.
    pub handler: &'a str,
    /// The assignment in which it is called.
    pub lane: Epoch,
    /// The offset of the record that it is given.
    pub offset: i64,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// One call's end.
#[derive(Debug)]
pub struct CallReport<'a> {
    /// The handler's name.
    pub handler: &'a str,
    /// The handler's group.
    pub group: &'a str,
    /// The assignment in which it was called.
    pub lane: Epoch,
    /// The topic that it was read from: with retry topics, that one.
    pub topic: &'a str,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// 1 for the first attempt, those in earlier retry topics counted.
    pub attempt: u32,
    /// What came of it.
    pub outcome: &'a Outcome,
}

impl Context {
    /// A random number in 0..1.
    pub(crate) fn random(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    /// Unix time in milliseconds, by tokio's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        let since = self.started.1.elapsed().as_millis();
        self.started.0.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// The first whole millisecond of Unix time at which `pause` is over: never sooner.
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
