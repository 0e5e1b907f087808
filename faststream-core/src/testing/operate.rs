//! Pauses and seeks of a test.

use std::panic::Location;

use super::TestApp;
use super::panics::panic_at;
use super::test_app::Caller;
use crate::TopicPartition;
use crate::app::{ControlError, Running};
use crate::broker::SeekTo;

impl TestApp {
    /// Pauses a handler, or all handlers of a group, as [`Running::pause`] does. Its records wait, and count as settled:
    /// [`publish`](Self::publish) returns although they do.
    ///
    /// # Panics
    /// If the app has no handler or group of that name, or was shut down.
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
    /// app.pause("bill").await;
    /// app.publish("orders", &1).await;
    /// assert_eq!(app.calls("bill").len(), 0);
    /// app.resume("bill").await;
    /// assert_eq!(app.calls("bill").len(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn pause(&self, name: &str) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move { require(self.running_at(caller).pause(name).await, caller) }
    }

    /// Ends the pause of this handler or group, then waits until everything has settled.
    ///
    /// # Panics
    /// Same as [`pause`](Self::pause) and [`settle`](Self::settle).
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
    /// app.publish("orders", &1).await;
    /// app.pause("billing").await; // the group
    /// app.publish("orders", &2).await;
    /// app.resume("bill").await; // which was not paused
    /// assert_eq!(app.calls("bill").len(), 1);
    /// app.resume("billing").await;
    /// assert_eq!(app.calls("bill").len(), 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn resume(&self, name: &str) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            require(self.running_at(caller).resume(name).await, caller);
            self.settle_for(caller).await;
        }
    }

    /// Pauses one partition of a handler or group, as [`Running::pause_partition`] does.
    ///
    /// # Panics
    /// Same as [`pause`](Self::pause), and if the partition is not assigned to the app.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, TopicPartition, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// app.pause_partition("bill", TopicPartition::new("orders", 0)).await;
    /// app.publish("orders", &2).await;
    /// assert_eq!(app.calls("bill").len(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn pause_partition(&self, name: &str, tp: TopicPartition) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move { require(self.running_at(caller).pause_partition(name, tp).await, caller) }
    }

    /// Ends the pause of this partition, then waits until everything has settled.
    ///
    /// # Panics
    /// Same as [`pause`](Self::pause) and [`settle`](Self::settle).
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, TopicPartition, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// app.pause_partition("bill", TopicPartition::new("orders", 0)).await;
    /// app.publish("orders", &2).await;
    /// app.resume_partition("bill", TopicPartition::new("orders", 0)).await;
    /// assert_eq!(app.calls("bill").len(), 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn resume_partition(&self, name: &str, tp: TopicPartition) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            require(self.running_at(caller).resume_partition(name, tp).await, caller);
            self.settle_for(caller).await;
        }
    }

    /// Moves a partition of a handler or group to another position, as [`Running::seek`] does, then waits until
    /// everything has settled. Returns the offset at which it went on.
    ///
    /// # Panics
    /// If there is no such handler, partition or position, and same as [`settle`](Self::settle).
    ///
    /// ```
    /// use faststream::{FastStream, SeekTo, TestApp, TopicPartition, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// for order in 0..3 {
    ///     app.publish("orders", &order).await;
    /// }
    /// app.seek("bill", TopicPartition::new("orders", 0), SeekTo::Offset(1)).await;
    /// let offsets: Vec<i64> = app.calls("bill").iter().map(|call| call.offset).collect();
    /// assert_eq!(offsets, [0, 1, 2, 1, 2]);
    /// # });
    /// ```
    #[track_caller]
    pub fn seek(&self, name: &str, tp: TopicPartition, to: SeekTo) -> impl Future<Output = i64> {
        let caller = Location::caller();
        async move {
            let next = require(self.running_at(caller).seek(name, tp, to).await, caller);
            self.settle_for(caller).await;
            next
        }
    }

    /// Returns the running app, for calls whose errors a test checks.
    ///
    /// # Panics
    /// If the app was shut down.
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
    /// assert!(app.running().pause("bil").await.is_err());
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn running(&self) -> &Running {
        self.running_at(Location::caller())
    }

    fn running_at(&self, caller: Caller) -> &Running {
        match &self.running {
            Some(running) => running,
            None => panic_at(caller, "the app was shut down".to_owned()),
        }
    }
}

/// Panics at the test's line if it had no effect.
fn require<T>(result: Result<T, ControlError>, caller: Caller) -> T {
    result.unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        panic_at(caller, format!("{error}{cause}"))
    })
}
