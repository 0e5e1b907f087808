//! The one place where a panic is stopped: of a log line, of a callback, of the user's code.
//!
//! The payload of a panic (`std::panic::panic_any`) may be of any type, and its drop may panic in turn. So it is read,
//! and leaked if it is not a text.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `call`, and stops a panic of it. The error is the panic's text, if it has one. The panic hook has reported it by
/// then.
///
/// Catching costs nothing until something panics. It has no effect if panics abort the process.
pub fn caught<R>(call: impl FnOnce() -> R) -> Result<R, Option<String>> {
    catch_unwind(AssertUnwindSafe(call)).map_err(panic_text)
}

/// Runs `write`, which writes a log line or is called by a client library: a panic of it ends nothing.
pub fn guarded(write: impl FnOnce()) {
    let _ = caught(write);
}

/// Reads the payload of a panic, and discards it without running its drop. `None` if it is not a text.
#[must_use]
pub fn panic_text(payload: Box<dyn Any + Send>) -> Option<String> {
    let other = match payload.downcast::<String>() {
        Ok(text) => return Some(*text),
        Err(other) => other,
    };
    match other.downcast::<&'static str>() {
        Ok(text) => Some((*text).to_owned()),
        Err(other) => {
            std::mem::forget(other);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_a_panic_says_is_kept_and_a_payload_that_panics_when_it_is_dropped_is_forgotten() {
        let number = 1;
        assert_eq!(caught(|| number), Ok(1));
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>(Some("plain".to_owned())));
        assert_eq!(caught(|| panic!("number {number}")), Err::<(), _>(Some("number 1".to_owned())));
        assert_eq!(caught(|| std::panic::panic_any(Bomb)), Err::<(), _>(None));
    }
}
