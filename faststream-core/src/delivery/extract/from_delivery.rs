//! The trait of every argument that is not a plain payload.

use super::Requirements;
use crate::delivery::Delivery;
use crate::result::Rejection;

/// An argument that is not the payload: `State<T>`, `Key`, `Headers`, or your own.
///
/// It is read synchronously from the borrowed record, before the handler runs, and owns its data. A type that is also
/// `Deserialize` is read as an extractor, not as a payload.
///
/// ```
/// use faststream::{Delivery, FromDelivery, Rejection};
///
/// /// Who sent the record.
/// struct Tenant(String);
///
/// impl FromDelivery for Tenant {
///     fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
///         let name = delivery.record().header("tenant").ok_or_else(|| Rejection::new("no header `tenant`"))?;
///         let name = std::str::from_utf8(name).map_err(|_| Rejection::new("header `tenant` is not UTF-8"))?;
///         Ok(Tenant(name.to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a subscriber argument",
    label = "not an extractor",
    note = "implement `faststream::FromDelivery`, or take one of `State<T>`, `Key`, `Headers`, ..."
)]
pub trait FromDelivery: Sized + Send + 'static {
    /// Whether this type decodes the payload. A handler takes at most one such argument, which the compiler checks.
    const DECODES_PAYLOAD: bool = false;

    /// Reads the argument from the delivery.
    ///
    /// # Errors
    /// If the record does not have it. Never retried: `on_decode_error` decides.
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection>;

    /// Declares what the app must have, which is checked at startup.
    fn requires(_requirements: &mut Requirements) {}
}
