//! Hooks for assignments, revocations and failed commits.

use std::future::Future;

use super::FastStream;
use crate::hooks::{CommitFailure, HookContext, HookResult, Rebalance, boxed_group};

impl FastStream {
    /// Adds a hook that runs when partitions are assigned, before their first record is handled: an async function or
    /// closure of a [`HookContext`] and a [`Rebalance`]. The partitions wait for it, up to the group's drain time (5
    /// s), and then begin anyway. It also runs when a partition begins again because its task died. A failing hook is
    /// logged and changes nothing.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let warm = Arc::new(AtomicUsize::new(0));
    /// let cache = Arc::clone(&warm);
    /// let app = FastStream::new(MemoryBroker::new()).name("billing").on_assigned(move |_hook, rebalance| {
    ///     cache.fetch_add(rebalance.partitions.len(), Ordering::Relaxed);
    ///     async {}
    /// });
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// assert!(warm.load(Ordering::Relaxed) > 0);
    /// # });
    /// ```
    pub fn on_assigned<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(HookContext, Rebalance) -> R + Send + Sync + 'static,
        R: Future<Output: HookResult> + Send + 'static,
    {
        self.group_hooks.assigned.push(boxed_group(hook));
        self
    }

    /// Adds a hook that runs when partitions are about to be released, in a rebalance or at a shutdown: once their
    /// calls have ended, and before another member gets them. The release waits for what remains of the group's drain
    /// time (5 s), counted from the revocation. Then the partitions are released anyway.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing").on_revoked(async |_hook, rebalance| {
    ///     for partition in &rebalance.partitions {
    ///         println!("flushes what is cached for {}/{}", partition.topic, partition.partition);
    ///     }
    /// });
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// assert_eq!(app.shutdown().await.code, 0);
    /// # });
    /// ```
    pub fn on_revoked<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(HookContext, Rebalance) -> R + Send + Sync + 'static,
        R: Future<Output: HookResult> + Send + 'static,
    {
        self.group_hooks.revoked.push(boxed_group(hook));
        self
    }

    /// Adds a hook that runs when partitions are lost already: the membership was lost, or its client failed. Another
    /// member may own them, and nothing waits for the hook.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing").on_lost(async |_hook, rebalance| {
    ///     println!("{} partitions of {} belong to others now", rebalance.partitions.len(), rebalance.group);
    /// });
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.broker().lose("billing");
    /// app.publish("orders", &1).await;
    /// assert_eq!(app.calls("bill").len(), 1); // it has joined again
    /// # });
    /// ```
    pub fn on_lost<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(HookContext, Rebalance) -> R + Send + Sync + 'static,
        R: Future<Output: HookResult> + Send + 'static,
    {
        self.group_hooks.lost.push(boxed_group(hook));
        self
    }

    /// Adds a hook that runs when commits fail, with the partitions concerned. Delivery continues meanwhile. Each group
    /// runs one call at a time: the next call reports the failures that occur during a call.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::time::Duration;
    ///
    /// use faststream::{CommitClass, FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let alarm = Arc::new(AtomicBool::new(false));
    /// let raised = Arc::clone(&alarm);
    /// let app = FastStream::new(MemoryBroker::new()).name("billing").on_commit_error(move |_hook, failures| {
    ///     raised.store(failures.iter().any(|failure| &*failure.topic == "orders"), Ordering::Relaxed);
    ///     async {}
    /// });
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.broker().fail_commits(CommitClass::Transient, 1);
    /// app.publish("orders", &1).await;
    /// app.advance(Duration::from_secs(5)).await;
    /// assert!(alarm.load(Ordering::Relaxed));
    /// assert_eq!(app.committed("billing", "orders")[&0], 1); // tried again
    /// # });
    /// ```
    pub fn on_commit_error<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(HookContext, Vec<CommitFailure>) -> R + Send + Sync + 'static,
        R: Future<Output: HookResult> + Send + 'static,
    {
        self.group_hooks.commit_error.push(boxed_group(hook));
        self
    }
}
