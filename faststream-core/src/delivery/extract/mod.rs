//! How a handler's argument is read off a delivery. One extractor = one file.

use super::{Delivery, Rejection};
use crate::subscriber::Requirements;

/// An argument that is not the payload: `State<T>`, `Key`, `Headers`, or your own.
///
/// Read synchronously from the borrowed record, before the handler runs; what it makes owns its data.
/// A type that is also `Deserialize` is read as an extractor, not as a payload.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a subscriber argument",
    label = "not an extractor",
    note = "implement `faststream::FromDelivery`, or take one of `State<T>`, `Key`, `Headers`, ..."
)]
pub trait FromDelivery: Sized + Send + 'static {
    /// Reads it off the delivery.
    ///
    /// # Errors
    /// If the record does not have it: never retried, `on_decode_error` decides.
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection>;

    /// Tells what the app must have; checked at start.
    fn requires(_requirements: &mut Requirements) {}
}

/// The payload: any `Deserialize` type is JSON; `Json<T>`, `Text`, `Raw` name their codec. One a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a subscriber argument",
    label = "neither a payload nor an extractor",
    note = "a payload needs `#[derive(serde::Deserialize)]`",
    note = "an extractor implements `faststream::FromDelivery`: `State<T>`, `Key`, `Headers`, ..."
)]
pub trait FromPayload: Sized + Send + 'static {
    /// Reads it off the payload.
    ///
    /// # Errors
    /// If the payload cannot be decoded, or is a tombstone where none is expected.
    fn from_payload(delivery: &Delivery<'_>) -> Result<Self, Rejection>;
}
