//! When a record is finished.

/// When a record is finished, and what an error means. The guide states the guarantees.
///
/// ```
/// use faststream::{AckPolicy, FastStream, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "clicks")]
/// async fn count(_click: u64) -> Result<(), String> {
///     Err("no counter".into())
/// }
///
/// # faststream::testing::run(false, || async {
/// // For all handlers that name no policy of their own (`ack = ...`).
/// let app = FastStream::new(MemoryBroker::new()).name("clicks").ack(AckPolicy::RejectOnError);
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("clicks", &1).await;
/// assert_eq!((app.calls("count").len(), app.held().len()), (1, 0));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AckPolicy {
    /// Finishes the record when it is dispatched: at most once.
    AckFirst,
    /// Finishes the record when the handler has ended, whatever its outcome.
    Ack,
    /// Finishes the record when the handler has ended. An error rejects it: to the dead-letter topic if one is named,
    /// else it is skipped.
    RejectOnError,
    /// Finishes the record when the handler has succeeded, or when its attempts are used up and `on_error` is done: at
    /// least once.
    #[default]
    NackOnError,
    /// Finishes the record when the handler settles its `Ack`.
    Manual,
}
