//! Runs the app under thousands of random schedules of faults, in virtual time, and checks the promises of the
//! guide.
//!
//! One seed is one run. The modules, in the order in which a run uses them:
//! - `seeds` is the entry point. `threads` takes seeds and runs each on one thread; `failure` runs a failing one
//!   again for its timeline.
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
mod content;
mod failure;
mod faults;
mod finished;
mod fleet;
mod guard_model;
mod history;
mod invariants;
mod log_index;
mod members;
mod model;
mod operations;
mod order;
mod promise;
mod random;
mod record;
mod report;
mod run;
mod scenario;
mod schedule;
mod seeds;
mod threads;
mod timeline;
mod turns;
mod world;

pub use faults::{Fault, Faults};
pub use random::{Random, random, random_of_run};
pub use report::Report;
pub use scenario::Scenario;
pub use seeds::simulate;
pub(super) use turns::block_for;
pub use world::World;
