//! The position and time of the record.

use std::sync::Arc;

use super::FromDelivery;
use crate::delivery::Delivery;
use crate::result::Rejection;

/// The position and time of the record, and the number of this attempt.
///
/// For a record that came through retry topics, these are the original topic, partition and offset: a key made of them
/// identifies the record in every attempt.
///
/// ```
/// use faststream::{FastStream, Metadata, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders", retry(attempts = 3, backoff = "1s..2s"))]
/// async fn bill(_order: u64, at: Metadata) -> Result<(), String> {
///     if at.attempt < 3 { Err(format!("{}/{} at {}", at.topic, at.partition, at.offset)) } else { Ok(()) }
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", &1).await;
/// let calls = app.calls("bill");
/// assert_eq!((calls.len(), calls[2].attempt), (3, 3));
/// assert!(calls[0].error.as_deref().is_some_and(|error| error.ends_with("orders/0 at 0")));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The topic that it was read from. Shared: a clone copies no text.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record's own offset.
    pub offset: i64,
    /// Milliseconds since 1970, by the producer or the broker; `None` if the topic has none.
    pub timestamp: Option<i64>,
    /// 1 for the first attempt; those in earlier retry topics are counted.
    pub attempt: u32,
}

impl Metadata {
    /// Returns metadata for a unit test that calls a handler directly.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, partition: i32, offset: i64) -> Self {
        Self { topic: topic.into(), partition, offset, timestamp: None, attempt: 1 }
    }
}

impl FromDelivery for Metadata {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        let record = delivery.record;
        Ok(Self {
            topic: Arc::clone(delivery.topic),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            attempt: delivery.attempt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::DeliveryFixture;

    #[test]
    fn it_says_where_when_and_which_attempt() {
        let fixture = DeliveryFixture::new("orders").at(3, 17).timestamp(99).attempt(2);
        let expected = Metadata { timestamp: Some(99), attempt: 2, ..Metadata::new("orders", 3, 17) };
        assert_eq!(Metadata::from_delivery(&fixture.delivery()), Ok(expected));
    }
}
