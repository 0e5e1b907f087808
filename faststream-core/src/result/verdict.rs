//! A handler's decision about its record.

use std::borrow::Cow;
use std::time::Duration;

/// A handler's decision about its record. Returned instead of `()`, or carried by a `Decision` error through `?`.
///
/// ```
/// use faststream::{FastStream, TestApp, Verdict, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders", dead_letter = "orders-dlt")]
/// async fn bill(quantity: u64) -> Verdict {
///     match quantity {
///         0 => Verdict::Skip,
///         1..100 => Verdict::Ack,
///         _ => Verdict::reject("too many for one order"),
///     }
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// for quantity in [0, 1, 1_000] {
///     app.publish("orders", &quantity).await;
/// }
/// assert_eq!(app.calls("bill")[0].outcome, Verdict::Skip);
/// assert_eq!(app.dead_letters("orders").len(), 1);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Finish the record: the handler succeeded.
    Ack,
    /// The attempt failed: retry in place by the policy, or after `after` if given. Counts as an attempt.
    Nack {
        /// The pause before the next attempt, instead of the policy's.
        after: Option<Duration>,
    },
    /// Give up on the record now, without further attempts: to the dead-letter topic if one is named, else by
    /// `on_error`.
    Reject {
        /// The reason, for the log and the dead letter.
        reason: Cow<'static, str>,
    },
    /// Finish the record, deliberately without handling it.
    Skip,
    /// Drain the app and exit with 3. The record is not finished.
    Stop,
}

impl Verdict {
    /// Returns a rejection with a reason.
    #[must_use]
    pub fn reject(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Reject { reason: reason.into() }
    }

    /// Returns a failure without a pause of its own: the policy decides when the next attempt is.
    #[must_use]
    pub fn nack() -> Self {
        Self::Nack { after: None }
    }
}
