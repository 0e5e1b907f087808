//! A log line that panics ends nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `write`, and stops a panic of it. The panic hook has reported it by then.
///
/// Catching costs nothing until something panics. It has no effect if panics abort the process.
///
/// Dropping the payload of a panic may panic in turn. Such a payload is leaked.
pub fn guarded(write: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(write)) {
        // The panic hook has printed it. Dropping the payload may panic, too.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(panic)));
        let _ = dropped.map_err(std::mem::forget);
    }
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
