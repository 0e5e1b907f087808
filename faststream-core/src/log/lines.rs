//! The macros of `tracing`, each line behind the guard.

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
