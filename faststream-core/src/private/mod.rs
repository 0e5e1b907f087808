//! What generated code calls. Nothing here is stable, and nothing here is for users.

mod arguments;
mod publish;

pub use std::option::Option::{None, Some};
pub use std::result::Result::{Err, Ok};
pub use std::vec::Vec;

pub use inventory::submit;

pub use self::arguments::{
    ByExtractor, ByPayload, Extract, ExtractorTag, Free, NoPayloadYet, PayloadTag, Probe, Taken,
};
pub use self::publish::{
    ByOption, ByPlain, ByResult, ByValue, ByVec, OptionTag, PlainTag, ResultTag, ValueTag, VecTag, encode,
    key_of, published, publisher_topics,
};
pub use crate::delivery::{Call, Delivery, Rejection};
pub use crate::policy::{AckPolicy, Commit, OnError, Order, Start};
pub use crate::subscriber::{PublisherDef, Requirements, RetryDef, SourceDef, SubscriberDef, registered};

#[cfg(feature = "testing")]
pub use crate::testing::run as test;

use crate::delivery::Outcome;
use crate::result::IntoOutcome;
use crate::runtime::PlainCall;

/// A call that ended because an argument could not be read.
#[must_use]
pub fn rejected(rejection: Rejection) -> Call {
    Call::known(Outcome::Rejected(rejection))
}

/// What a handler without publishers returned.
pub fn outcome(returned: impl IntoOutcome) -> Outcome {
    returned.into_outcome()
}

/// Says in the user's own words that a handler's future must be `Send`.
pub const fn require_send<F: Future + Send>(future: F) -> F {
    future
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
