//! An argument that could not be read.

use crate::log::bounded;

/// An argument of a handler could not be read from its record. Never retried, because the record will not change.
///
/// ```
/// use faststream::{FastStream, Rejection, TestApp, memory::MemoryBroker, subscriber};
///
/// /// Takes a payload that cannot be read as an `Err`, instead of leaving it to `on_decode_error`.
/// #[subscriber(topic = "orders")]
/// async fn bill(order: Result<u64, Rejection>) {
///     if let Err(rejection) = order {
///         println!("skipped: {}", rejection.message());
///     }
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", &"seven").await;
/// assert!(app.held().is_empty() && app.rejections("bill").is_empty());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    message: String,
}

impl Rejection {
    /// Returns a rejection with this message: lowercase, no full stop, without topic and offset, which are added.
    /// Beyond 4 KiB it is cut, with a mark.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: bounded(message.into()) }
    }

    /// Returns the message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}
