//! `#[faststream::test]`: one thread, virtual time, and a limit in real time.

use std::cell::Cell;
use std::future::Future;
use std::io::{Write, stderr};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::blocking::VirtualTime;
use super::calls;
use crate::log::Time;
use crate::policy::parse_duration;

/// The limit of a test, in real time, because hangs are the typical failure.
const LIMIT: Duration = Duration::from_secs(60);
/// The variable that sets another limit: `5m`.
const OWN_LIMIT: &str = "FASTSTREAM_TEST_LIMIT";

thread_local! {
    /// Whether the test on this thread runs in real time.
    static REAL_TIME: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether the test on this thread has requested real time.
pub(super) fn is_real_time() -> bool {
    REAL_TIME.get()
}

/// Runs a test's body on one thread, in virtual time unless `real_time`.
///
/// In virtual time the clock stops while anything runs, and jumps to the next timer once nothing does.
///
/// # Panics
/// If the body panics. A body that hangs for a minute of real time ends the test's process; `FASTSTREAM_TEST_LIMIT=5m`
/// gives it longer.
pub fn run<F: Future>(real_time: bool, body: impl FnOnce() -> F) -> F::Output {
    let limit = std::env::var(OWN_LIMIT).ok().and_then(|text| parse_duration(&text).ok());
    run_within(limit.unwrap_or(LIMIT), real_time, body)
}

/// Same as [`run`], with another limit.
pub(super) fn run_within<F: Future>(limit: Duration, real_time: bool, body: impl FnOnce() -> F) -> F::Output {
    let (done, watched) = channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let watched_calls = calls::watched();
    let watch = move || {
        if watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let most = calls::most_called(&watched_calls);
            let most = most.map_or_else(String::new, |most| format!("; called most: {most}"));
            // `eprintln` would be captured until the end of the test, which never comes.
            let _ = writeln!(
                stderr(),
                "{name} hangs: not done after {} of real time{most}; the test's process is ended",
                Time(limit)
            );
            std::process::exit(101);
        }
    };
    thread::Builder::new().name("watchdog".into()).spawn(watch).expect("a thread for the watchdog");
    REAL_TIME.set(real_time);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(!real_time).build().expect("a runtime for the test");
    let virtual_time = (!real_time).then(VirtualTime::enter);
    let output = runtime.block_on(async { body().await });
    drop((virtual_time, done));
    runtime.shutdown_background();
    output
}
