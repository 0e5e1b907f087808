//! Runs one seed after the other, or the one that the environment names.

use std::future::Future;
use std::time::Instant;

use super::fleet::Factory;
use super::{Report, Scenario, threads};
use crate::app::FastStream;

/// The environment variable that names one seed, which then runs alone and prints everything that happens.
const SEED: &str = "FASTSTREAM_SEED";

/// Runs the app under a random schedule for each seed, in virtual time, and checks the promises of the guide.
///
/// `factory` builds the app, once for each instance and again after each crash. The schedule lets records arrive
/// and time pass, crashes, stops and starts instances, rebalances, ends memberships, and injects whatever the
/// scenario's [`Faults`](super::Faults) name. At the end faults are off: everything must settle and be committed, and nothing may
/// be missing. The same seed gives the same run, as long as handlers take randomness from [`random`](super::random) and time from
/// tokio.
///
/// Seeds are spread over the machine's cores. With `FASTSTREAM_SEED=17` in the environment, only this seed runs,
/// and everything that happens is printed.
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
/// If a seed breaks a promise or a check of the scenario: with the seed, the promise, and what happened before. If
/// the app cannot be started.
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

/// Returns the seed of the environment; `None` if there is none.
///
/// # Panics
/// If it is not a number.
fn named_seed() -> Option<u64> {
    let text = std::env::var(SEED).ok()?;
    let seed = text.trim().parse();
    Some(seed.unwrap_or_else(|_| panic!("{SEED} is a seed, a number from 0: `{text}` is none")))
}
