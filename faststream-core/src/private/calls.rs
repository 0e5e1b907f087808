//! Calls that generated code begins, or ends before they begin.
//!
//! They are functions of this module, so that generated code is short, and its meaning may change without the
//! macros.

use crate::context::PlainCall;
use crate::delivery::{Call, Delivery};
use crate::result::{Outcome, Rejection};

/// Returns a call that ended because an argument could not be read. The function is not called.
#[must_use]
pub fn rejected(rejection: Rejection) -> Call {
    Call::known(Outcome::Rejected(rejection))
}

/// Returns a call of a plain function that has not begun. It copies from the delivery what the call needs later:
/// generated code must not borrow from it across an `await`.
#[must_use]
pub fn plain(delivery: &Delivery<'_>) -> PlainCall {
    let Delivery { handler, context, control, offset, attempt, .. } = *delivery;
    PlainCall::new(handler, context, control, offset, attempt)
}

/// Runs a plain function on a thread that may block.
///
/// # Errors
/// The outcome of a call that failed by its `timeout`, or by a panic.
#[allow(clippy::result_large_err)]
pub async fn blocking<R: Send + 'static>(
    call: PlainCall,
    function: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Outcome> {
    call.run(function).await
}
