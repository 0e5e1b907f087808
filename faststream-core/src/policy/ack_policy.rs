//! When a record is finished.

/// When a record is finished, and what an error means. The guarantees stand in the guide.
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
    /// Finished when dispatched: at most once.
    AckFirst,
    /// Finished when the handler ended, whatever came of it.
    Ack,
    /// Finished when the handler ended; an error rejects: the dead letter if one is named, else skipped.
    RejectOnError,
    /// Finished when the handler succeeded, or when retries ran out and `on_error` is done: at least once.
    #[default]
    NackOnError,
    /// Finished when the handler settles its `Ack`.
    Manual,
}
