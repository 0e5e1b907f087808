//! The whole record, owned.

use bytes::Bytes;

use super::{FromDelivery, Headers};
use crate::delivery::Delivery;
use crate::record::Record;
use crate::result::Rejection;

/// The whole record, owned. It costs a copy: take a typed payload, `Key` or `Headers` if that is enough.
///
/// Its position and time are the original ones, even in a retry topic.
///
/// ```
/// use faststream::{FastStream, Message, Publish, TestApp, memory::MemoryBroker, subscriber};
///
/// /// The whole record, owned: to be written to a file, or handed to a thread.
/// #[subscriber(topics = ["orders", "returns"])]
/// async fn archive(message: Message) -> Result<(), String> {
///     let bytes = message.payload.ok_or("a tombstone")?;
///     println!("{}/{}: {} bytes", message.topic, message.partition, bytes.len());
///     Ok(())
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("archive");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("returns", Publish::new("broken").key("acme")).await;
/// assert!(app.held().is_empty());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The topic that it was read from; the original topic if it came through retry topics.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The record's own offset.
    pub offset: i64,
    /// Milliseconds since 1970; `None` if the topic has none.
    pub timestamp: Option<i64>,
    /// The key; an empty key is not a missing one.
    pub key: Option<Bytes>,
    /// The payload; `None` is a tombstone, an empty payload is not.
    pub payload: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

impl Message {
    /// Copies a record.
    #[must_use]
    pub fn copy_of(record: &Record<'_>) -> Self {
        Self {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(Bytes::copy_from_slice),
            payload: record.payload.map(Bytes::copy_from_slice),
            headers: Headers::copy_of(record),
        }
    }
}

impl FromDelivery for Message {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(Self::copy_of(&delivery.record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::DeliveryFixture;

    #[test]
    fn nothing_is_lost_of_a_record() {
        let fixture =
            DeliveryFixture::new("orders").at(1, 2).key("").payload("\u{1}").header("a", [0xff].to_vec());
        let message = Message::from_delivery(&fixture.delivery()).expect("always there");
        assert_eq!((message.partition, message.offset), (1, 2));
        assert_eq!((message.key, message.payload), (Some(Bytes::new()), Some(Bytes::from("\u{1}"))));
        assert_eq!(message.headers.get("a"), Some(&[0xff][..]));
    }
}
