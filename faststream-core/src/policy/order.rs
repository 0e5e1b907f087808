//! The order in which the records of one partition are handled.

/// The order in which the records of one partition are handled.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::{FastStream, Publish, TestApp, memory::MemoryBroker, subscriber};
///
/// /// Payments of one account in order; a slow account delays no other.
/// #[subscriber(topic = "payments", order = Key, concurrency = 16)]
/// async fn book(cents: u64) {
///     tokio::time::sleep(Duration::from_secs(cents)).await;
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("bookkeeping");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.append("payments", Publish::new(3_u64).key("slow"));
/// app.append("payments", Publish::new(1_u64).key("fast"));
/// app.settle().await;
/// assert_eq!(app.calls("book").len(), 2);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Order {
    /// One record at a time.
    #[default]
    Partition,
    /// Records of one key in order; records of other keys may overtake them. Records without a key have no order.
    Key,
    /// No order.
    None,
}
