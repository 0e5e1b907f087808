//! Payloads that are text.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::{FromBytes, FromPayload, OptionalFromDelivery, tombstone};
use crate::delivery::Delivery;
use crate::publish::{EncodeError, IntoPayload};
use crate::result::Rejection;

/// A payload that is plain text, not a JSON string: checked UTF-8. As a result: the text's bytes.
///
/// ```
/// use faststream::{FastStream, Outgoing, TestApp, Text, memory::MemoryBroker, publisher, subscriber};
///
/// #[subscriber(topic = "lines")]
/// #[publisher(topic = "loud")]
/// async fn shout(Text(line): Text) -> Text {
///     Text(line.to_uppercase())
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("loud");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish_record(Outgoing::new("lines", "no JSON")).await;
/// let (_, record) = app.published::<String>("loud").single_record();
/// assert_eq!(record.payload.as_deref(), Some(&b"NO JSON"[..]));
/// # });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub String);

#[diagnostic::do_not_recommend]
impl FromPayload for Text {
    fn from_payload(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Self::optional_from_delivery(delivery)?.ok_or_else(|| tombstone::unexpected("Text"))
    }
}

#[diagnostic::do_not_recommend]
impl OptionalFromDelivery for Text {
    const DECODES_PAYLOAD: bool = true;

    fn optional_from_delivery(delivery: &Delivery<'_>) -> Result<Option<Self>, Rejection> {
        let read = |payload| {
            String::from_bytes(payload).map(Self).map_err(|why| Rejection::new(format!("the payload {why}")))
        };
        delivery.record.payload.map(read).transpose()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl IntoPayload for Text {
    fn into_payload(self) -> Result<Bytes, EncodeError> {
        Ok(self.0.into())
    }
}

impl IntoPayload for &Text {
    fn into_payload(self) -> Result<Bytes, EncodeError> {
        Ok(Bytes::copy_from_slice(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::FromDelivery;
    use super::*;
    use crate::fixture::DeliveryFixture;

    #[test]
    fn text_is_taken_as_it_stands() {
        let fixture = DeliveryFixture::new("lines").payload("\"grüße\"");
        assert_eq!(Text::from_payload(&fixture.delivery()), Ok(Text("\"grüße\"".into())));
        let empty = DeliveryFixture::new("lines").payload("");
        assert_eq!(Text::from_payload(&empty.delivery()), Ok(Text(String::new())));
    }

    #[test]
    fn wrong_utf8_is_rejected_with_the_place_of_the_first_bad_byte() {
        let fixture = DeliveryFixture::new("lines").payload(&b"good\xffbad"[..]);
        let error = Text::from_payload(&fixture.delivery()).unwrap_err();
        assert_eq!(error.message(), "the payload is not UTF-8: byte 4 begins no character");
        assert!(Option::<Text>::from_delivery(&fixture.delivery()).is_err());
    }

    #[test]
    fn a_tombstone_is_none_of_an_option_and_nothing_else() {
        let fixture = DeliveryFixture::new("lines");
        assert_eq!(Option::<Text>::from_delivery(&fixture.delivery()), Ok(None));
        assert!(Text::from_payload(&fixture.delivery()).unwrap_err().message().contains("tombstone"));
    }
}
