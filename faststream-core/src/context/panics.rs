//! The only guard around the user's code: a panic there is an outcome, and never ends the caller.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::log::{caught, panic_text};
use crate::result::{HandlerError, Outcome};

/// A panic that was caught. The panic hook has reported it already.
#[derive(Debug)]
pub(crate) struct Panicked(Option<String>);

impl Panicked {
    /// Returns an error that is treated like a panic.
    pub(crate) fn saying(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }

    /// Converts the panic to a call's outcome.
    pub(crate) fn into_outcome(self) -> Outcome {
        let text = self.0.unwrap_or_else(|| "the handler panicked".into());
        Outcome::Failed(HandlerError::new("panic", text))
    }
}

/// Calls the user's code.
pub(crate) fn catch<R>(call: impl FnOnce() -> R) -> Result<R, Panicked> {
    caught(call).map_err(Panicked)
}

/// Drops a value of the user.
pub(crate) fn drop_safely<T>(value: T) {
    // The panic hook has reported it, and nothing else follows.
    let _ = catch(move || drop(value));
}

/// Runs a future of the user, including its drop.
pub(crate) async fn catch_in<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|payload| Panicked(panic_text(payload)))
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
    fn a_drop_that_panics_is_contained() {
        drop_safely(Bomb);
    }
}
