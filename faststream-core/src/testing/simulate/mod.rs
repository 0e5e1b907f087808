//! Runs the app under thousands of random schedules of faults, in virtual time, and checks the promises of the
//! guide.
//!
//! One seed is one run. The modules, in the order in which a run uses them:
//! - `threads` takes seeds and runs each on one thread; `failure` runs a failing one again for its timeline.
//! - `run` is one run: it begins, takes the steps that `schedule` draws, and ends with faults off. `fleet` holds
//!   the instances of the app; `world` is what a scenario sees of all that; `turns` gives plain functions their
//!   threads.
//! - `checker` observes the broker and the instances. It updates its own model: `model` for a lane, `record` for a
//!   record, `log_index` for what is in the logs, `guard_model` for the dead-letter guard, `history` for retry
//!   topics.
//! - `calls`, `commits`, `members` and `order` are checks at one event; `invariants` are checks between steps and
//!   at the end. `promise` names what they check, `timeline` remembers what happened.
//!
//! The model never asks the runtime for its state: it repeats, from the guide, what the runtime should have
//! decided from the same events. Where the events do not decide a question, it assumes what favours the runtime,
//! so that a violation is one.
//!
//! Nothing here may make a run differ from its replay: time comes from tokio, randomness from the seed, and maps
//! are ordered.

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

/// The environment variable that names one seed, which then runs alone and prints everything that happens.
const SEED: &str = "FASTSTREAM_SEED";

/// Runs the app under a random schedule for each seed, in virtual time, and checks the promises of the guide.
///
/// `factory` builds the app, once for each instance and again after each crash. The schedule lets records arrive
/// and time pass, crashes, stops and starts instances, rebalances, ends memberships, and injects whatever the
/// scenario's [`Faults`] name. At the end faults are off: everything must settle and be committed, and nothing may
/// be missing. The same seed gives the same run, as long as handlers take randomness from [`random`] and time from
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
