//! What is done with records: the settings of subscribers, groups and the app.

mod duration;
mod guard;
pub(crate) mod limits;
mod provision;
mod retry;
mod settings;

pub use duration::{DurationError, parse_duration};
pub use guard::DeadLetterGuard;
pub use provision::Provision;
pub use retry::{BackoffError, Retry};
pub use settings::GroupSettings;

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

/// What becomes of a record that is given up on.
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
    /// Keep it back: nothing behind it (in its partition or key) moves, nothing is lost.
    #[default]
    Hold,
    /// Publish it to the dead-letter topic, then go on.
    DeadLetter,
    /// Count it as finished.
    Skip,
    /// Drain the app and exit with 3; the record is not finished.
    Stop,
}

/// What must not overtake what inside one partition.
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
    /// Records of one key in order; others overtake. Records without a key have no order.
    Key,
    /// No order.
    None,
}

/// When finished becomes durable.
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
    /// By a timer (1 s): nothing waits for it.
    #[default]
    Periodic,
    /// As soon as a record is finished; commits coalesce while one is in flight.
    Each,
}

/// Where a group begins that never committed.
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
    /// Behind the newest record of what is there when it joins. A partition or topic that is added later, or was while
    /// nobody of the group ran, is read from its beginning.
    Latest,
}
