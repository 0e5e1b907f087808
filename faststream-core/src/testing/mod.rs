//! Tests of an app on the in-memory broker, in virtual time.
//!
//! - [`TestApp`] (`test_app`, `publish`, `views`) runs the app of `main`: a test publishes, waits until everything
//!   has settled, and looks at the results.
//! - [`run`] is the test itself: one thread, a paused clock, a limit in real time.
//! - [`simulate`](simulate()) runs the app under random schedules of faults.
//! - [`conformance`] checks a backend without any app.
//! - [`block_for`] lets plain functions take virtual time.

mod blocking;
mod calls;
pub mod conformance;
mod dead_letters;
mod operate;
mod panics;
mod publish;
mod published;
mod run;
mod simulate;
mod test_app;
#[cfg(test)]
mod tests;
mod views;

pub use blocking::block_for;
pub use calls::TestCall;
pub use dead_letters::DeadLetter;
pub use publish::Publishable;
pub use published::Published;
pub use run::run;
pub use simulate::{Fault, Faults, Random, Report, Scenario, World, random, random_of_run, simulate};
pub use test_app::TestApp;
