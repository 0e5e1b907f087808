//! Hooks at startup and shutdown.

use super::FastStream;
use crate::hooks::{HookFn, HookResult, boxed};

impl FastStream {
    /// Adds a hook that runs before anything else. An error or a panic stops the startup.
    pub fn on_startup<M, H>(mut self, hook: H) -> Self
    where
        H: HookFn<M>,
        H::Output: HookResult,
    {
        self.hooks.on_startup.push(boxed(hook));
        self
    }

    /// Adds a hook that runs when the groups are joined. An error or a panic stops the app, which drains and exits with
    /// 1.
    ///
    /// ```
    /// use faststream::{FastStream, HookContext, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = app
    ///     .on_startup(async || println!("before anything else"))
    ///     .after_startup(async |hook: HookContext| {
    ///         let publisher = hook.publisher().expect("connected by now");
    ///         publisher.send("orders", 1_u64).await.map(drop)
    ///     })
    ///     .on_shutdown(async || println!("all handlers have ended"))
    ///     .after_shutdown(async || println!("the brokers are closed"));
    /// let app = TestApp::start(app).await;
    /// app.settle().await;
    /// assert_eq!(app.calls("bill").len(), 1);
    /// assert_eq!(app.shutdown().await.code, 0);
    /// # });
    /// ```
    pub fn after_startup<M, H>(mut self, hook: H) -> Self
    where
        H: HookFn<M>,
        H::Output: HookResult,
    {
        self.hooks.after_startup.push(boxed(hook));
        self
    }

    /// Adds a hook that runs when all handlers have ended, and that can still publish. It also runs after a failed
    /// startup.
    pub fn on_shutdown<M, H>(mut self, hook: H) -> Self
    where
        H: HookFn<M>,
        H::Output: HookResult,
    {
        self.hooks.on_shutdown.push(boxed(hook));
        self
    }

    /// Adds a hook that runs last, when everything that was published is confirmed. It also runs after a failed
    /// startup.
    pub fn after_shutdown<M, H>(mut self, hook: H) -> Self
    where
        H: HookFn<M>,
        H::Output: HookResult,
    {
        self.hooks.after_shutdown.push(boxed(hook));
        self
    }
}
