//! Panics at the line of the test's call, even in async functions, where `#[track_caller]` has no effect.

use std::panic::{Location, resume_unwind};

use crate::log::print;

/// Panics as `panic!` does, at another location. The panic hook knows only this location, so it is bypassed.
pub(super) fn panic_at(caller: &'static Location<'static>, message: String) -> ! {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    print!("\nthread '{name}' panicked at {caller}:\n{message}");
    resume_unwind(Box::new(message))
}
