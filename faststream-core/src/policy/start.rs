//! Where a group without a commit begins.

/// Where a group without a commit begins.
///
/// ```
/// use faststream::{FastStream, Outgoing, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "prices", start = Latest)]
/// async fn show(_price: u64) {}
///
/// # faststream::testing::run(false, || async {
/// let broker = MemoryBroker::new();
/// broker.append(Outgoing::new("prices", "1")).expect("the topic accepts it");
/// let app = FastStream::new(broker).name("screen");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("prices", &2).await;
/// assert_eq!(app.calls("show").len(), 1); // the record that was there before is skipped
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// At the oldest record.
    #[default]
    Earliest,
    /// After the newest record that exists when the group joins. Partitions and topics added later, or while no member
    /// was running, are read from the beginning.
    Latest,
}
