//! Publishing from a test, to the right broker of the app.

use std::sync::Arc;

use serde::Serialize;

use super::TestApp;
use crate::memory::MemoryBroker;
use crate::publish::{EncodeError, IntoOutgoing, IntoPayload, Publish};
use crate::record::Outgoing;
use crate::subscriber::{Source, Subscriber};

/// A value that a test can publish: a reference to a value, which is written as JSON, or a [`Publish`] with key,
/// headers, partition or time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be published by a test",
    label = "neither a reference to a value that is `Serialize` nor a `Publish`",
    note = "write `&value`, or `Publish::new(value).key(..)`"
)]
pub trait Publishable {
    /// Encodes the value.
    ///
    /// # Errors
    /// If it cannot be encoded.
    fn into_record(self, topic: &str) -> Result<Outgoing, EncodeError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Publishable for &T {
    fn into_record(self, topic: &str) -> Result<Outgoing, EncodeError> {
        Ok(Outgoing::new(topic, self.into_payload()?))
    }
}

impl<T: IntoPayload> Publishable for Publish<T> {
    fn into_record(self, topic: &str) -> Result<Outgoing, EncodeError> {
        self.into_outgoing(topic.into())
    }
}

impl TestApp {
    /// Publishes a value as JSON, or a [`Publish`] with its key and headers, and waits until everything that this
    /// caused has settled: every record is finished, held, or waits for longer than an hour. In real time, finished
    /// records are then committed, too.
    ///
    /// # Panics
    /// If the topic is unknown to the app, the value cannot be encoded, or it never settles.
    ///
    /// ```
    /// use faststream::{FastStream, Publish, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// app.publish("orders", Publish::new(2_u64).key("acme").header("tenant", "a")).await;
    /// assert_eq!(app.calls("bill").len(), 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn publish(&self, topic: &str, value: impl Publishable) -> impl Future<Output = ()> {
        self.append(topic, value);
        self.settle()
    }

    /// Publishes a record as it is, and waits as [`publish`](Self::publish) does.
    ///
    /// # Panics
    /// Same as [`publish`](Self::publish).
    ///
    /// ```
    /// use faststream::{FastStream, Outgoing, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders", on_decode_error = DeadLetter)]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish_record(Outgoing::new("orders", "{broken")).await;
    /// assert_eq!((app.rejections("bill").len(), app.dead_letters("orders").len()), (1, 1));
    /// # });
    /// ```
    #[track_caller]
    pub fn publish_record(&self, record: Outgoing) -> impl Future<Output = ()> {
        self.append_record(record);
        self.settle()
    }

    /// Publishes a value as JSON, or a [`Publish`] with its key and headers, and does not wait.
    ///
    /// # Panics
    /// Same as [`publish`](Self::publish).
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// for order in 0..3_u64 {
    ///     app.append("orders", &order);
    /// }
    /// app.settle().await;
    /// assert_eq!(app.calls("bill").len(), 3);
    /// # });
    /// ```
    #[track_caller]
    pub fn append(&self, topic: &str, value: impl Publishable) {
        match value.into_record(topic) {
            Ok(record) => self.append_record(record),
            Err(error) => panic!("for {topic}: {error}"),
        }
    }

    /// Publishes a record as it is, and does not wait.
    ///
    /// # Panics
    /// Same as [`publish`](Self::publish).
    #[track_caller]
    pub fn append_record(&self, record: Outgoing) {
        let broker = self.broker_of(&record.topic);
        if let Err(error) = broker.append(record) {
            panic!("{error}");
        }
    }

    /// Returns the broker on which the app has this topic.
    #[track_caller]
    pub(super) fn broker_of(&self, topic: &str) -> MemoryBroker {
        let is_known_to = |subscriber: &&Arc<Subscriber>| {
            let writes = subscriber.handler.publishes.iter().any(|name| **name == *topic);
            writes
                || subscriber.spec.reads(topic)
                || *subscriber.dead_letter_topic("") == *topic
                || topic.ends_with("-dlt")
        };
        let found = self.plan.subscribers().iter().find(is_known_to);
        let known =
            found.is_some() || self.lenient || self.named().values().any(|broker| broker.has_topic(topic));
        assert!(
            known,
            "no handler reads or publishes `{topic}`: there are {:?}; to use it all the same, start the app with \
             `TestApp::start(..).await.lenient()`",
            self.topics()
        );
        let name = found.and_then(|subscriber| subscriber.spec.broker.as_deref().map(ToOwned::to_owned));
        self.named().get(&name).cloned().unwrap_or_else(|| self.broker())
    }

    /// Returns the topics that the app's handlers read and write, for the message about an unknown one.
    fn topics(&self) -> Vec<String> {
        let names = self.plan.subscribers().iter().flat_map(|subscriber| {
            let read: Vec<String> = match &subscriber.spec.source {
                Source::Topics(topics) => topics.iter().map(ToString::to_string).collect(),
                Source::Pattern(pattern) => vec![format!("/{pattern}/")],
            };
            read.into_iter().chain(subscriber.handler.publishes.iter().map(ToString::to_string))
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names.dedup();
        names
    }
}
