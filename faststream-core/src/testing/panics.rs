//! Panics at the line of the test that called, also out of async functions, where `#[track_caller]` does not reach.

use std::panic::{Location, resume_unwind};

use crate::log::print;

/// Panics as `panic!` does, at another place: the panic hook knows only this one, so it is left out.
pub(super) fn panic_at(caller: &'static Location<'static>, message: String) -> ! {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    print!("\nthread '{name}' panicked at {caller}:\n{message}");
    resume_unwind(Box::new(message))
}
