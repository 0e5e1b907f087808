//! Whether the partition is being taken away.

use tokio_util::sync::CancellationToken;

use super::FromDelivery;
use crate::delivery::Delivery;
use crate::result::Rejection;

/// Tells a handler that its partition is revoked or the app shuts down: what it does from now on has `drain` (5 s) to
/// end, then it is cut off and its record is handled again.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::{Cancellation, FastStream, TestApp, memory::MemoryBroker, subscriber};
///
/// /// Ends its work early if the partition is revoked, or if the app shuts down.
/// #[subscriber(topic = "reports")]
/// async fn write(_report: u64, cancellation: Cancellation) -> Result<(), String> {
///     tokio::select! {
///         biased;
///         () = cancellation.cancelled() => Err("to be written again by whoever is next".into()),
///         () = tokio::time::sleep(Duration::from_secs(1)) => Ok(()),
///     }
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("reports");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("reports", &1).await;
/// assert!(app.held().is_empty());
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Cancellation(CancellationToken);

impl Cancellation {
    /// For a unit test that calls a handler by itself: never cancelled.
    #[must_use]
    pub fn never() -> Self {
        Self(CancellationToken::new())
    }

    /// Whether the handler should come to an end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the handler should come to an end.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}

impl FromDelivery for Cancellation {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(Self(delivery.control.cancelled().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::DeliveryFixture;

    #[test]
    fn it_is_told_of_a_revocation() {
        let fixture = DeliveryFixture::new("orders");
        let cancellation = Cancellation::from_delivery(&fixture.delivery()).expect("always there");
        assert!(!cancellation.is_cancelled());
        fixture.revoke();
        assert!(cancellation.is_cancelled());
    }
}
