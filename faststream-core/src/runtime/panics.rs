//! The only guard around the user's code: a panic there is an outcome, and never ends the caller.
//!
//! A payload (`std::panic::panic_any`) may be of any type, and its drop may panic in turn: it is read, then forgotten.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;

use crate::result::{HandlerError, Outcome};

/// A panic that was caught. The panic hook has reported it already.
#[derive(Debug)]
pub(crate) struct Panicked(Option<String>);

impl Panicked {
    /// Reads the payload and discards it.
    pub(crate) fn of(payload: Box<dyn Any + Send>) -> Self {
        let other = match payload.downcast::<String>() {
            Ok(text) => return Self(Some(*text)),
            Err(other) => other,
        };
        let text = other.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
        std::mem::forget(other);
        Self(text)
    }

    /// Returns an error that is treated like a panic.
    pub(crate) fn saying(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }

    /// Returns the panic's message.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        self.0.as_deref().unwrap_or("without a message")
    }

    /// Converts the panic to a call's outcome.
    pub(crate) fn into_outcome(self) -> Outcome {
        let text = self.0.unwrap_or_else(|| "the handler panicked".into());
        Outcome::Failed(HandlerError::new("panic", text))
    }
}

/// Calls the user's code.
pub(crate) fn catch<R>(call: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(Panicked::of)
}

/// Drops a value of the user.
pub(crate) fn drop_safely<T>(value: T) {
    // The panic hook has reported it, and nothing else follows.
    let _ = catch(move || drop(value));
}

/// Runs a future of the user, including its drop.
pub(crate) async fn catch_in<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(Panicked::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the drop of a payload");
        }
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_is_forgotten() {
        let caught = catch(|| std::panic::panic_any(Bomb)).expect_err("it panics");
        assert_eq!(caught.text(), "without a message");
        drop(caught);
    }

    #[test]
    fn what_a_panic_says_is_kept() {
        assert_eq!(catch(|| panic!("plain")).expect_err("it panics").text(), "plain");
        let number = 1;
        assert_eq!(catch(|| panic!("number {number}")).expect_err("it panics").text(), "number 1");
    }

    #[test]
    fn a_drop_that_panics_is_contained() {
        drop_safely(Bomb);
    }
}
