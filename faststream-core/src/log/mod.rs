//! The log lines of this library: they end nothing, they fit a log, and their units are those that people read.
//!
//! Every crate of the workspace logs through the macros of this module, never through `tracing` itself (a test
//! reads the sources). A subscriber of `tracing` may panic, because its output is gone or because it has a bug.
//! Such a panic harms neither the task that logs nor a callback of a client library, through which no panic may
//! pass.

mod bounded;
mod guarded;
mod lines;
mod throttle;
mod time;

pub use bounded::bounded;
pub use guarded::{caught, guarded, panic_text};
pub use throttle::{QUIET, Throttle, reminded};
pub use time::{Time, attempts, count};

#[doc(hidden)]
pub use tracing;

pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_print as print, __log_warn as warn,
};
