//! The views of a test: topics, offsets, calls, held records, states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{DeadLetter, Published, TestApp, TestCall};
use crate::app::{Health, Running};
use crate::runtime::HeldRecord;

impl TestApp {
    /// Returns the records of a topic, with JSON payloads of type `T`.
    ///
    /// # Panics
    /// If the topic is unknown to the app.
    #[must_use]
    #[track_caller]
    pub fn published<T: DeserializeOwned>(&self, topic: &str) -> Published<T> {
        Published::new(topic, self.broker_of(topic).records(topic))
    }

    /// Returns the dead letters of the records read from `topic`: the records in `{topic}-dlt`, or in the topic that a
    /// handler's `dead_letter` names.
    ///
    /// # Panics
    /// If the topic is unknown to the app.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders", retry(attempts = 2, backoff = "1s"), on_error = DeadLetter)]
    /// async fn bill(_order: u64) -> Result<(), String> {
    ///     Err("no price".into())
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// let dead = app.dead_letters("orders");
    /// assert_eq!((dead[0].handler.as_str(), dead[0].attempts), ("bill", 2));
    /// assert!(dead[0].error.contains("no price"));
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn dead_letters(&self, topic: &str) -> Vec<DeadLetter> {
        DeadLetter::all(&self.broker_of(topic), self.plan.subscribers(), topic)
    }

    /// Returns the next offsets that a group committed in a topic, by partition.
    ///
    /// # Panics
    /// If the topic is unknown to the app, or if no handler has this group and it committed nothing there. The group of
    /// handlers without `group` is the app's name, which is `test` for an app without a name.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders", group = "billing")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("shop");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// app.advance(std::time::Duration::from_secs(2)).await;
    /// assert_eq!(app.committed("billing", "orders")[&0], 1);
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let committed = self.broker_of(topic).committed(group, topic);
        if committed.is_empty() {
            self.check_group(group);
        }
        committed
    }

    /// Returns the calls of a handler, in order. A record that could not be read is not a call: see
    /// [`rejections`](Self::rejections).
    ///
    /// # Panics
    /// If there is no such handler.
    ///
    /// ```
    /// use faststream::{FastStream, Metadata, TestApp, Verdict, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders", retry(attempts = 2, backoff = "1s"))]
    /// async fn bill(_order: u64, at: Metadata) -> Result<(), String> {
    ///     if at.attempt == 1 { Err("no price".into()) } else { Ok(()) }
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// let calls = app.calls("bill");
    /// assert!(calls[0].error.as_deref().is_some_and(|error| error.ends_with("no price")));
    /// assert_eq!((calls[1].attempt, &calls[1].outcome), (2, &Verdict::Ack));
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn calls(&self, handler: &str) -> Vec<TestCall> {
        self.check_handler(handler);
        self.calls.of(handler)
    }

    /// Returns the records that a handler was not called for, because one of its arguments could not be read, in order.
    ///
    /// # Panics
    /// If there is no such handler.
    #[must_use]
    #[track_caller]
    pub fn rejections(&self, handler: &str) -> Vec<TestCall> {
        self.check_handler(handler);
        self.calls.rejected(handler)
    }

    /// Panics at the caller if no handler has this group. Other apps may share the broker, so the caller asks only
    /// for a group that committed nothing.
    #[track_caller]
    fn check_group(&self, group: &str) {
        let known: BTreeSet<&str> =
            self.plan.subscribers().iter().map(|subscriber| &*subscriber.spec.group).collect();
        assert!(
            self.lenient || known.contains(group),
            "no handler has the group `{group}`: there are {known:?}; the group of handlers without `group` is the app's name, \
             `test` unless `FastStream::name` sets it"
        );
    }

    /// Panics at the caller if there is no such handler.
    #[track_caller]
    fn check_handler(&self, handler: &str) {
        let mut known = self.plan.subscribers().iter().map(|subscriber| &*subscriber.handler.name);
        assert!(
            known.clone().any(|name| name == handler),
            "no handler `{handler}`: there are {:?}",
            known.by_ref().collect::<Vec<_>>()
        );
    }

    /// Returns the held records.
    #[must_use]
    pub fn held(&self) -> Vec<HeldRecord> {
        self.running.as_ref().map(Running::held).unwrap_or_default()
    }

    /// Returns the app's health; neither live nor ready after the app has ended.
    #[must_use]
    pub fn health(&self) -> Health {
        self.running.as_ref().map(Running::health).unwrap_or_default()
    }

    /// Returns a value that the handlers get as `State<T>`; `None` after the app has ended, too.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.running.as_ref()?.state()
    }
}
