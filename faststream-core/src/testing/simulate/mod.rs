//! The app under thousands of random schedules of faults, in virtual time: does it keep the promises?
//!
//! One seed, one run (`run`, by the steps of `schedule`, on the instances of `fleet`). The `checker` keeps an account of
//! its own; `invariants` are checks between steps.

mod calls;
mod checker;
mod commits;
mod failure;
mod faults;
mod fleet;
mod guard_model;
mod history;
mod invariants;
mod log_index;
mod members;
mod model;
mod order;
mod promise;
mod random;
mod record;
mod report;
mod run;
mod scenario;
mod schedule;
mod threads;
mod timeline;
mod turns;
mod world;

use std::future::Future;
use std::time::Instant;

pub use faults::{Fault, Faults};
pub use random::{Random, random, random_of_run};
pub use report::Report;
pub use scenario::Scenario;
pub(super) use turns::block_for;
pub use world::World;

use self::fleet::Factory;
use crate::app::FastStream;

/// Names one seed, to be run alone and told in full.
const SEED: &str = "FASTSTREAM_SEED";

/// Runs the app under a random schedule for each seed, in virtual time, and holds it to the promises of the guide.
///
/// `factory` builds the app, again for each instance and after each crash. The schedule lets records come
/// and time pass, crashes, stops and starts instances, rebalances, loses memberships, and fails whatever
/// the scenario's [`Faults`] name. At the end faults are off: everything must settle, be committed, and nothing may be
/// missing. The same seed gives the same run, as long as handlers take randomness from [`random`] and time from tokio.
///
/// Seeds are spread over the machine's cores. With `FASTSTREAM_SEED=17` in the environment, only this seed is run, and
/// everything that happened is printed.
///
/// ```
/// use faststream::FastStream;
/// use faststream::memory::MemoryBroker;
/// use faststream::testing::{Scenario, simulate};
///
/// #[faststream::subscriber(topic = "orders")]
/// async fn bill(_order: u64) {}
///
/// async fn app() -> FastStream {
///     FastStream::new(MemoryBroker::new()).name("billing")
///     # .module(module_path!())
/// }
///
/// let scenario = Scenario::new().records("orders", |random, _| random.below(100));
/// let report = simulate(0..20, app, scenario);
/// assert_eq!(report.seeds, 20);
/// ```
///
/// # Panics
/// If a seed breaks a promise or a check of the scenario: with the seed, what was broken, and what had happened. If the app
/// cannot be started.
#[allow(clippy::needless_pass_by_value, reason = "a scenario is written in place")]
pub fn simulate<F, Fut>(
    seeds: impl IntoIterator<Item = u64, IntoIter: Send>,
    factory: F,
    scenario: Scenario,
) -> Report
where
    F: Fn() -> Fut + Sync,
    Fut: Future<Output = FastStream> + 'static,
{
    let factory: &Factory<'_> = &move || Box::pin(factory());
    let began = Instant::now();
    let name = std::thread::current().name().unwrap_or("the test").to_owned();
    if let Some(seed) = named_seed() {
        return threads::alone(seed, factory, &scenario, &name);
    }
    match threads::spread(seeds.into_iter(), factory, &scenario, &name) {
        Ok(report) => Report { real_time: began.elapsed(), ..report },
        Err(told) => panic!("{told}"),
    }
}

fn named_seed() -> Option<u64> {
    let text = std::env::var(SEED).ok()?;
    let seed = text.trim().parse();
    Some(seed.unwrap_or_else(|_| panic!("{SEED} is a seed, a number from 0: `{text}` is none")))
}
