//! Whether the partition is being revoked.

use tokio_util::sync::CancellationToken;

use super::FromDelivery;
use crate::delivery::Delivery;
use crate::result::Rejection;

/// Tells a handler that its partition is being revoked or that the app is shutting down. The call has `drain` (5 s) to
/// end. After that it is cancelled, and its record is handled again.
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
    /// Returns a value that is never cancelled, for a unit test that calls a handler directly.
    #[must_use]
    pub fn never() -> Self {
        Self(CancellationToken::new())
    }

    /// Returns whether the handler should end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the handler should end.
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
