//! What happens to a record when faststream gives up on it.

/// What happens to a record when faststream gives up on it.
///
/// ```
/// use faststream::{FastStream, OnError, Retry, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64) -> Result<(), String> {
///     Err("no price".into())
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app.retry(Retry::attempts(2)).on_error(OnError::DeadLetter)).await;
/// app.publish("orders", &1).await;
/// let dead = app.dead_letters("orders");
/// assert_eq!((dead.len(), dead[0].attempts), (1, 2));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnError {
    /// Hold the record. Later records of its partition (or key) wait, and nothing is lost.
    #[default]
    Hold,
    /// Publish the record to the dead-letter topic, then continue.
    DeadLetter,
    /// Count the record as finished.
    Skip,
    /// Drain the app and exit with 3. The record is not finished.
    Stop,
}
