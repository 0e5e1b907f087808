//! Bounded waits on conditions.
#![allow(dead_code, reason = "each test program uses its part")]

use std::thread;
use std::time::{Duration, Instant};

/// What a test waits for comes within this, or not at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `done` says so, which costs something to ask.
pub(crate) fn wait_until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until `done` says so, to the moment.
pub(crate) fn wait_quickly(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
