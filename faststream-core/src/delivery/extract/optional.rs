//! `Option<Key>`, `Option<Header<H>>`, `Option<Text>`: extractors whose value a record may lack.

use super::{FromDelivery, Requirements};
use crate::delivery::Delivery;
use crate::result::Rejection;

/// An extractor that can be taken as `Option<Self>`: `None` if the record does not have the value.
///
/// A value that exists but cannot be read is still rejected.
///
/// ```
/// use faststream::{Delivery, FastStream, FromDelivery, OptionalFromDelivery, Rejection, TestApp};
/// use faststream::{memory::MemoryBroker, subscriber};
///
/// struct Tenant(String);
///
/// impl OptionalFromDelivery for Tenant {
///     fn optional_from_delivery(delivery: &Delivery<'_>) -> Result<Option<Self>, Rejection> {
///         let Some(name) = delivery.record().header("tenant") else { return Ok(None) };
///         let name = std::str::from_utf8(name).map_err(|_| Rejection::new("header `tenant` is not UTF-8"))?;
///         Ok(Some(Self(name.to_owned())))
///     }
/// }
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64, tenant: Option<Tenant>) {
///     println!("for {}", tenant.map_or_else(|| "nobody".to_owned(), |tenant| tenant.0));
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", &1).await;
/// assert!(app.held().is_empty());
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be taken as `Option<{Self}>`",
    label = "does not say when a record has none",
    note = "implement `faststream::OptionalFromDelivery` for `{Self}`: its `optional_from_delivery` answers `Ok(None)` for a \
            record that has none"
)]
pub trait OptionalFromDelivery: Sized + Send + 'static {
    /// Same as [`FromDelivery::DECODES_PAYLOAD`].
    const DECODES_PAYLOAD: bool = false;

    /// Reads the argument from the delivery; `None` if the record does not have it.
    ///
    /// # Errors
    /// If the record has it, but in a form that cannot be read.
    fn optional_from_delivery(delivery: &Delivery<'_>) -> Result<Option<Self>, Rejection>;

    /// Declares what the app must have, which is checked at startup.
    fn requires(_requirements: &mut Requirements) {}
}

#[diagnostic::do_not_recommend]
impl<T: OptionalFromDelivery> FromDelivery for Option<T> {
    const DECODES_PAYLOAD: bool = T::DECODES_PAYLOAD;

    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        T::optional_from_delivery(delivery)
    }

    fn requires(requirements: &mut Requirements) {
        T::requires(requirements);
    }
}
