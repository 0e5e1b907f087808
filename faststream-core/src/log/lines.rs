//! The macros of `tracing`, each line behind `guarded`.
//!
//! They are macros, not functions, so that a line keeps its own place and fields, and costs nothing if its level
//! is off.

/// Logs at `error`, as the macro of `tracing` does: something ended, or a person has to act.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($line:tt)*) => { $crate::log::guarded(|| $crate::log::tracing::error!($($line)*)) };
}

/// Logs at `warn`, as the macro of `tracing` does: something failed, and is retried or skipped.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($line:tt)*) => { $crate::log::guarded(|| $crate::log::tracing::warn!($($line)*)) };
}

/// Logs at `info`, as the macro of `tracing` does: a change of state that an operator wants to see.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($line:tt)*) => { $crate::log::guarded(|| $crate::log::tracing::info!($($line)*)) };
}

/// Logs at `debug`, as the macro of `tracing` does: detail for whoever looks for a fault.
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
