//! Payloads as bytes.

use std::ops::Deref;

use bytes::Bytes;

use super::{FromPayload, OptionalFromDelivery, tombstone};
use crate::delivery::Delivery;
use crate::publish::{EncodeError, IntoPayload};
use crate::result::Rejection;

/// The payload's bytes, copied and unchecked. As a result: these bytes.
///
/// Only a tombstone is rejected; `Option<Raw>` accepts that, too.
///
/// ```
/// use faststream::{FastStream, Outgoing, Raw, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "images")]
/// async fn keep(Raw(bytes): Raw) -> Result<(), String> {
///     if bytes.starts_with(b"\x89PNG") { Ok(()) } else { Err("not a PNG".into()) }
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("images");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish_record(Outgoing::new("images", &b"\x89PNG\r\n"[..])).await;
/// assert!(app.held().is_empty());
/// # });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Raw(pub Bytes);

#[diagnostic::do_not_recommend]
impl FromPayload for Raw {
    fn from_payload(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Self::optional_from_delivery(delivery)?.ok_or_else(|| tombstone::unexpected("Raw"))
    }
}

#[diagnostic::do_not_recommend]
impl OptionalFromDelivery for Raw {
    const DECODES_PAYLOAD: bool = true;

    fn optional_from_delivery(delivery: &Delivery<'_>) -> Result<Option<Self>, Rejection> {
        Ok(delivery.record.payload.map(Bytes::copy_from_slice).map(Self))
    }
}

impl Deref for Raw {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Bytes>> From<T> for Raw {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl IntoPayload for Raw {
    fn into_payload(self) -> Result<Bytes, EncodeError> {
        Ok(self.0)
    }
}

impl IntoPayload for &Raw {
    fn into_payload(self) -> Result<Bytes, EncodeError> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::FromDelivery;
    use super::*;
    use crate::fixture::DeliveryFixture;

    #[test]
    fn any_bytes_are_taken() {
        let fixture = DeliveryFixture::new("blobs").payload(&b"\0\xff"[..]);
        assert_eq!(Raw::from_payload(&fixture.delivery()), Ok(Raw::from(&b"\0\xff"[..])));
    }

    #[test]
    fn a_tombstone_is_none_of_an_option_and_nothing_else() {
        let fixture = DeliveryFixture::new("blobs");
        assert_eq!(Option::<Raw>::from_delivery(&fixture.delivery()), Ok(None));
        assert!(Raw::from_payload(&fixture.delivery()).is_err());
    }
}
