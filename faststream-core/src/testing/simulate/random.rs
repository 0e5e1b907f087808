//! Randomness that repeats: drawn from the seed of the simulation that runs on this thread.
//!
//! A simulation has two sources. The schedule owns one, and handlers share the other through [`random`]. Each call
//! of [`random`] draws one number from the shared source, and seeds its own numbers with it: how many a handler
//! draws does not change what others get.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

thread_local! {
    /// The simulation that runs on this thread, if one does.
    static CURRENT: RefCell<Option<Shared>> = const { RefCell::new(None) };
}

/// A simulation's randomness, shared by its threads that take turns: its own and those of plain functions.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Current>>);

/// The simulation that runs on this thread.
struct Current {
    /// Its seed.
    seed: u64,
    /// The source for handlers, from which each call of `random` draws a seed.
    rng: fastrand::Rng,
    /// Whether faults are off, because everything must settle now.
    healed: bool,
}

/// Random numbers that repeat with the simulation's seed.
#[derive(Clone)]
pub struct Random(fastrand::Rng);

/// Returns random numbers for a handler under test: other ones in each call, the same ones in each run of a seed.
///
/// Outside of a simulation they are always the same, and [`fails`](Random::fails) returns false.
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

/// Returns random numbers that are the same ones in each call during a run: for settings that an app keeps when it
/// is built again.
#[must_use]
pub fn random_of_run() -> Random {
    with(|current| Random::of(current.seed ^ 0x5e77_1465)).unwrap_or_else(|| Random::of(0))
}

impl Random {
    /// Returns the numbers of this seed.
    pub(super) fn of(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Returns true with this probability, from 0 to 1.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    /// Returns true with this probability while faults are on; false at the end of a simulation, when everything
    /// must settle.
    pub fn fails(&mut self, probability: f64) -> bool {
        self.chance(probability) && with(|current| !current.healed) == Some(true)
    }

    /// Returns a number from 0 to below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.u64(..end) }
    }

    /// Returns one of these, each with the same probability.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.usize(..from.len())]
    }

    /// Returns a duration of up to `most`, in whole milliseconds.
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

/// Marks this thread as one of a simulation, until it is dropped.
pub(super) struct Scope(());

impl Scope {
    /// Marks this thread as the one that runs this seed.
    pub(super) fn enter(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(17));
        Self::join(Shared(Arc::new(Mutex::new(Current { seed, rng, healed: false }))))
    }

    /// Marks this thread as another one of a simulation.
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

/// Notes that faults are off from now on, so that `fails` returns false.
pub(super) fn heal() {
    with(|current| current.healed = true);
}

/// Returns whether a simulation runs on this thread.
pub(super) fn is_running() -> bool {
    with(|_| ()).is_some()
}

/// Returns the randomness of the simulation that runs on this thread, for another thread of it.
pub(super) fn shared() -> Option<Shared> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Calls `look` with the simulation that runs on this thread; `None` if there is none.
fn with<R>(look: impl FnOnce(&mut Current) -> R) -> Option<R> {
    let Shared(current) = shared()?;
    let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
    Some(look(&mut current))
}
