//! The trait of payloads, and the payload without a named codec: any `Deserialize` type is JSON.

use serde::de::DeserializeOwned;

use super::json;
use crate::delivery::Delivery;
use crate::result::Rejection;

/// The payload. Any `Deserialize` type is JSON; `Json<T>`, `Text` and `Raw` select their codec. A handler takes one.
///
/// A tombstone (a record whose payload is null) is `None` of an `Option<T>`, and is rejected by any other type. An
/// empty payload is not a tombstone: it has no bytes, which is not JSON.
///
/// Decoding reads the broker's buffer in place. The [`Rejection`] of a payload that cannot be decoded gives the reason,
/// with line and column, and the name of a missing field. It never quotes the payload, except for text that a
/// hand-written `Deserialize` puts into its own error.
///
/// For another codec, write a wrapper: `impl<T: ..> FromPayload for MsgPack<T>`.
///
/// ```
/// use faststream::{Delivery, FastStream, FromPayload, Outgoing, Rejection, TestApp, memory::MemoryBroker, subscriber};
///
/// /// Fields that are separated by semicolons.
/// struct Csv(Vec<String>);
///
/// impl FromPayload for Csv {
///     fn from_payload(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
///         let payload = delivery.record().payload.ok_or_else(|| Rejection::new("a tombstone"))?;
///         let line = std::str::from_utf8(payload).map_err(|_| Rejection::new("not UTF-8"))?;
///         Ok(Self(line.split(';').map(str::to_owned).collect()))
///     }
/// }
///
/// #[subscriber(topic = "rows")]
/// async fn load(Csv(fields): Csv) {
///     assert_eq!(fields, ["pen", "2"]);
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("rows");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish_record(Outgoing::new("rows", "pen;2")).await;
/// assert!(app.held().is_empty());
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a subscriber argument",
    label = "neither a payload nor an extractor",
    note = "a payload needs `#[derive(serde::Deserialize)]`; an extractor implements `faststream::FromDelivery`"
)]
pub trait FromPayload: Sized + Send + 'static {
    /// Reads the value from the payload.
    ///
    /// # Errors
    /// If the payload cannot be decoded, or is a tombstone where none is expected.
    fn from_payload(delivery: &Delivery<'_>) -> Result<Self, Rejection>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send + 'static> FromPayload for T {
    fn from_payload(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        json::decode(delivery.record.payload)
    }
}
