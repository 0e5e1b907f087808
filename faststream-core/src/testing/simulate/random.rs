//! Randomness that repeats: drawn from the seed of the simulation that runs on this thread.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

thread_local! {
    static CURRENT: RefCell<Option<Shared>> = const { RefCell::new(None) };
}

/// A simulation's randomness, for those of its threads that take turns.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Current>>);

/// The simulation that runs on this thread.
struct Current {
    seed: u64,
    rng: fastrand::Rng,
    /// Faults are off: everything must settle now.
    healed: bool,
}

/// Random numbers that repeat with the simulation's seed.
#[derive(Clone)]
pub struct Random(fastrand::Rng);

/// Random numbers for a handler under test: other ones in each call, the same ones in each run of a seed.
///
/// Outside of a simulation, the same ones always, and [`fails`](Random::fails) is false.
///
/// ```
/// use faststream::testing::{Faults, Scenario, random, simulate};
/// use faststream::{FastStream, memory::MemoryBroker, subscriber};
///
/// /// Slow and unreliable, and the same in each run of a seed.
/// #[subscriber(topic = "orders", retry(attempts = 3, backoff = "1s"), on_error = Skip)]
/// async fn bill(_order: u64) -> Result<(), String> {
///     let mut random = random();
///     tokio::time::sleep(random.duration(std::time::Duration::from_secs(1))).await;
///     if random.fails(0.2) { Err("no price".into()) } else { Ok(()) }
/// }
///
/// async fn app() -> FastStream {
///     FastStream::new(MemoryBroker::new()).name("billing")
///     # .module(module_path!())
/// }
///
/// simulate(0..3, app, Scenario::new().records("orders", |_random, number| number).faults(Faults::none()));
/// ```
#[must_use]
pub fn random() -> Random {
    let forked = with(|current| Random(fastrand::Rng::with_seed(current.rng.u64(..))));
    forked.unwrap_or_else(|| Random::of(0))
}

/// Random numbers that are the same ones in each call during a run: for settings that an app keeps when it is built again.
#[must_use]
pub fn random_of_run() -> Random {
    with(|current| Random::of(current.seed ^ 0x5e77_1465)).unwrap_or_else(|| Random::of(0))
}

impl Random {
    pub(super) fn of(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// True with this probability, from 0 to 1.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    /// True with this probability while faults are on; false at the end of a simulation, when everything must settle.
    pub fn fails(&mut self, probability: f64) -> bool {
        self.chance(probability) && with(|current| !current.healed) == Some(true)
    }

    /// A number from 0 to below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.u64(..end) }
    }

    /// One of these.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.usize(..from.len())]
    }

    /// A duration of up to `most`, in whole milliseconds.
    pub fn duration(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.0.u64(..=most))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

/// Until it is dropped, this thread runs this seed.
pub(super) struct Scope(());

impl Scope {
    pub(super) fn enter(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(17));
        Self::join(Shared(Arc::new(Mutex::new(Current { seed, rng, healed: false }))))
    }

    /// As another thread of a simulation.
    pub(super) fn join(shared: Shared) -> Self {
        CURRENT.set(Some(shared));
        Self(())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Faults are off from now on.
pub(super) fn heal() {
    with(|current| current.healed = true);
}

/// Whether a simulation runs on this thread.
pub(super) fn is_running() -> bool {
    with(|_| ()).is_some()
}

/// What the threads of the simulation that runs on this thread share.
pub(super) fn shared() -> Option<Shared> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

fn with<R>(look: impl FnOnce(&mut Current) -> R) -> Option<R> {
    let Shared(current) = shared()?;
    let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
    Some(look(&mut current))
}
