//! One header, typed.

use super::{FromBytes, FromDelivery, OptionalFromDelivery};
use crate::delivery::Delivery;
use crate::result::Rejection;

/// The name of a header, and the type of its value.
///
/// ```
/// use faststream::{Header, TypedHeader};
///
/// struct CorrelationId;
///
/// impl TypedHeader for CorrelationId {
///     const NAME: &'static str = "correlation_id";
///     type Value = String;
/// }
///
/// async fn handle(Header(correlation): Header<CorrelationId>) {
///     println!("{correlation}");
/// }
/// ```
pub trait TypedHeader: 'static {
    /// The header's name, matched exactly.
    const NAME: &'static str;
    /// The type of the header's value: bytes, text, or a number that is read from its text.
    type Value: FromBytes + Send + 'static;
}

/// One header, typed. If the name occurs more than once, the last header counts, as in Kafka's own clients.
///
/// A record without the header, or with a null value, is rejected; `Option<Header<H>>` takes it as `None`.
///
/// ```
/// use faststream::{FastStream, Header, Publish, TestApp, TypedHeader, memory::MemoryBroker, subscriber};
///
/// struct Version;
///
/// impl TypedHeader for Version {
///     const NAME: &'static str = "version";
///     type Value = u32;
/// }
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64, Header(version): Header<Version>) -> Result<(), String> {
///     if version == 2 { Ok(()) } else { Err(format!("version {version}")) }
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", Publish::new(1_u64).header("version", 2)).await;
/// assert!(app.held().is_empty());
/// # });
/// ```
pub struct Header<H: TypedHeader>(pub H::Value);

impl<H: TypedHeader> FromDelivery for Header<H> {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        let missing = || {
            let name = H::NAME;
            Rejection::new(format!(
                "the record has no header `{name}`: take `Option<Header<..>>` to handle such records"
            ))
        };
        Self::optional_from_delivery(delivery)?.ok_or_else(missing)
    }
}

#[diagnostic::do_not_recommend]
impl<H: TypedHeader> OptionalFromDelivery for Header<H> {
    fn optional_from_delivery(delivery: &Delivery<'_>) -> Result<Option<Self>, Rejection> {
        let named = delivery.record.headers().filter(|(name, _)| *name == H::NAME.as_bytes());
        let Some(value) = named.last().and_then(|(_, value)| value) else { return Ok(None) };
        let read = H::Value::from_bytes(value);
        read.map(|value| Some(Self(value)))
            .map_err(|why| Rejection::new(format!("the header `{}` {why}", H::NAME)))
    }
}

impl<H: TypedHeader> std::fmt::Debug for Header<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Header({})", H::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::DeliveryFixture;

    struct Version;

    impl TypedHeader for Version {
        const NAME: &'static str = "version";
        type Value = u32;
    }

    #[test]
    fn the_last_one_counts_and_is_read_as_its_type() {
        let fixture =
            DeliveryFixture::new("orders").header("version", "1").header("version", "2").header("v", "x");
        assert_eq!(Header::<Version>::from_delivery(&fixture.delivery()).expect("there").0, 2);
    }

    #[test]
    fn a_missing_or_null_one_is_rejected_by_name_unless_it_may_be_missing() {
        for fixture in [DeliveryFixture::new("orders"), DeliveryFixture::new("orders").null_header("version")]
        {
            let error = Header::<Version>::from_delivery(&fixture.delivery()).expect_err("missing");
            assert!(error.message().contains("`version`"), "{error}");
            assert!(
                Option::<Header<Version>>::from_delivery(&fixture.delivery())
                    .expect("may be missing")
                    .is_none()
            );
        }
        let fixture = DeliveryFixture::new("orders").header("version", "two");
        assert!(Option::<Header<Version>>::from_delivery(&fixture.delivery()).is_err());
    }
}
