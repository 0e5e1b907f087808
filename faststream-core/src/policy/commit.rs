//! When the offsets of finished records are committed.

/// When the offsets of finished records are committed.
///
/// ```
/// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
///
/// /// At most once, even if the process is killed: the offset is committed before the call starts.
/// #[subscriber(topic = "mails", ack = AckFirst, commit = Each)]
/// async fn send(_mail: String) {}
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("mailing");
/// # let app = app.module(module_path!());
/// let mut app = TestApp::start(app).await;
/// app.publish("mails", &"hello").await;
/// app.crash().await;
/// app.settle().await;
/// assert_eq!(app.calls("send").len(), 1);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Commit {
    /// By a timer (1 s), which delays nothing.
    #[default]
    Periodic,
    /// As soon as a record is finished. Commits coalesce while one is in flight.
    Each,
}
