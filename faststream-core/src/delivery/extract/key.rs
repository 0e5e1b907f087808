//! The record's key.

use std::ops::Deref;

use bytes::Bytes;

use super::{FromBytes, FromDelivery, OptionalFromDelivery};
use crate::delivery::Delivery;
use crate::publish::IntoBytes;
use crate::result::Rejection;

/// The record's key: bytes, or a type that [`FromBytes`] reads: `Key<String>`, `Key<u64>` (from its text).
///
/// A record without a key is rejected; `Option<Key<T>>` takes it as `None`. An empty key is a key. A key that cannot be
/// read as `T` is rejected in both cases.
///
/// ```
/// use faststream::{FastStream, Key, Publish, TestApp, memory::MemoryBroker, publisher, subscriber};
///
/// /// The key as a number; without it, the record is rejected. `Option<Key<u64>>` takes such records, too.
/// #[subscriber(topic = "orders")]
/// #[publisher(topic = "customers")]
/// async fn customer(_order: String, Key(customer): Key<u64>) -> u64 {
///     customer
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("customers");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", Publish::new("pen").key(7)).await;
/// assert_eq!(app.published::<u64>("customers").single(), 7);
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<T = Bytes>(pub T);

impl<T: FromBytes + Send + 'static> FromDelivery for Key<T> {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        let missing =
            || Rejection::new("the record has no key: take `Option<Key<..>>` to handle such records");
        Self::optional_from_delivery(delivery)?.ok_or_else(missing)
    }
}

#[diagnostic::do_not_recommend]
impl<T: FromBytes + Send + 'static> OptionalFromDelivery for Key<T> {
    fn optional_from_delivery(delivery: &Delivery<'_>) -> Result<Option<Self>, Rejection> {
        let read = |key| T::from_bytes(key).map(Self).map_err(|why| Rejection::new(format!("the key {why}")));
        delivery.record.key.map(read).transpose()
    }
}

impl<T> Deref for Key<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoBytes> IntoBytes for Key<T> {
    fn into_bytes(self) -> Option<Bytes> {
        self.0.into_bytes()
    }

    fn key_fault(&self) -> Option<String> {
        self.0.key_fault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::DeliveryFixture;

    #[test]
    fn a_key_is_read_as_its_type() {
        let fixture = DeliveryFixture::new("orders").key("42");
        assert_eq!(Key::from_delivery(&fixture.delivery()), Ok(Key(Bytes::from("42"))));
        assert_eq!(Key::from_delivery(&fixture.delivery()), Ok(Key(String::from("42"))));
        assert_eq!(Key::from_delivery(&fixture.delivery()), Ok(Key(42_u64)));
        assert_eq!(Option::from_delivery(&fixture.delivery()), Ok(Some(Key(42_i32))));
    }

    #[test]
    fn a_missing_key_is_rejected_unless_it_may_be_missing() {
        let fixture = DeliveryFixture::new("orders");
        let error = <Key>::from_delivery(&fixture.delivery()).unwrap_err();
        assert!(error.message().contains("no key"), "{error}");
        assert_eq!(Option::<Key<u64>>::from_delivery(&fixture.delivery()), Ok(None));
    }

    #[test]
    fn an_empty_key_is_a_key() {
        let fixture = DeliveryFixture::new("orders").key("");
        assert_eq!(Option::from_delivery(&fixture.delivery()), Ok(Some(Key(String::new()))));
    }

    #[test]
    fn a_key_of_another_kind_is_rejected_even_if_it_may_be_missing() {
        let fixture = DeliveryFixture::new("orders").key(&b"4\xff"[..]);
        let error = Option::<Key<u64>>::from_delivery(&fixture.delivery()).unwrap_err();
        assert_eq!(error.message(), "the key is not UTF-8: byte 1 begins no character");
    }
}
