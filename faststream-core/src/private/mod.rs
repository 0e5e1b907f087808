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

/// Whether plain functions run in place.
#[must_use]
pub fn runs_inline(delivery: &Delivery<'_>) -> bool {
    delivery.context.inline_blocking
}

/// Runs a plain function on the blocking pool, or in place.
pub async fn blocking<R: Send + 'static>(inline: bool, call: impl FnOnce() -> R + Send + 'static) -> R {
    if inline {
        return call();
    }
    match tokio::task::spawn_blocking(call).await {
        Ok(returned) => returned,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: the call never began, and nobody waits for it.
            Err(_) => std::future::pending().await,
        },
    }
}
