//! What is logged: lines that end nothing, of a length that a log can take, in units that people read.
//!
//! A subscriber may panic, because its output is gone or because it has a bug: neither the task
//! that logs nor a callback of a client library, through which no panic may pass, is hurt by that.

mod bounded;
mod time;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use bounded::bounded;
pub use time::{Time, attempts, count};

#[doc(hidden)]
pub use tracing;

pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_print as print, __log_warn as warn,
};

/// Runs `write`, and ends its panic here.
pub fn guarded(write: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(write)) {
        // The panic hook has printed it. Dropping the payload may panic in turn.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(panic)));
        let _ = dropped.map_err(std::mem::forget);
    }
}

/// Logs at `error`, as the macro of `tracing` does.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($line:tt)*) => { $crate::log::guarded(|| $crate::log::tracing::error!($($line)*)) };
}

/// Logs at `warn`, as the macro of `tracing` does.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($line:tt)*) => { $crate::log::guarded(|| $crate::log::tracing::warn!($($line)*)) };
}

/// Logs at `info`, as the macro of `tracing` does.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($line:tt)*) => { $crate::log::guarded(|| $crate::log::tracing::info!($($line)*)) };
}

/// Logs at `debug`, as the macro of `tracing` does.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($line:tt)*) => { $crate::log::guarded(|| $crate::log::tracing::debug!($($line)*)) };
}

/// Prints a line on standard error as `eprintln!` does, where the test harness captures it.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_print {
    ($($line:tt)*) => { $crate::log::guarded(|| ::std::eprintln!($($line)*)) };
}

#[cfg(test)]
mod tests {
    use super::guarded;

    /// A payload that panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_line_that_panics_ends_nothing() {
        let mut written = 0;
        guarded(|| written += 1);
        guarded(|| panic!("the output is gone"));
        guarded(|| std::panic::panic_any(Bomb));
        assert_eq!(written, 1);
    }
}
