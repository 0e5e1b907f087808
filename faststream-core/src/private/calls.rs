//! Calls that generated code begins, or ends before they begin.

use crate::delivery::{Call, Delivery};
use crate::result::{Outcome, Rejection};
use crate::runtime::PlainCall;

/// A call that ended because an argument could not be read.
#[must_use]
pub fn rejected(rejection: Rejection) -> Call {
    Call::known(Outcome::Rejected(rejection))
}

/// One call of a plain function, which has not begun.
#[must_use]
pub fn plain(delivery: &Delivery<'_>) -> PlainCall {
    PlainCall::new(delivery)
}

/// Runs a plain function on a thread that may block. The error is the outcome of a call that failed by its `timeout`
/// or by a panic.
#[allow(clippy::result_large_err)]
pub async fn blocking<R: Send + 'static>(
    call: PlainCall,
    function: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Outcome> {
    call.run(function).await
}
