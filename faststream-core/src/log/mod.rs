//! What is logged: lines that end nothing, of a length that a log can take, in units that people read.
//!
//! A subscriber may panic, because its output is gone or because it has a bug: neither the task
//! that logs nor a callback of a client library, through which no panic may pass, is hurt by that.

mod bounded;
mod guarded;
mod lines;
mod time;

pub use bounded::bounded;
pub use guarded::guarded;
pub use time::{Time, attempts, count};

#[doc(hidden)]
pub use tracing;

pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_print as print, __log_warn as warn,
};
