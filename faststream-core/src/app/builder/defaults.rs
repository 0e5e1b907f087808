//! Defaults for subscribers, and the settings of all groups.

use std::sync::Arc;

use super::FastStream;
use crate::policy::{AckPolicy, GroupSettings, OnError, Retry};

impl FastStream {
    /// Sets the ack policy of subscribers that do not set their own.
    pub fn ack(mut self, ack: AckPolicy) -> Self {
        self.defaults.ack = Some(ack);
        self
    }

    /// Sets the retries in place of subscribers that do not set their own.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.defaults.retry = Some(retry);
        self
    }

    /// Sets the default `on_error`, for subscribers that do not set their own.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.defaults.on_error = Some(on_error);
        self
    }

    /// Sets the dead-letter topic of subscribers that do not set their own, instead of `{topic}-dlt`. For subscribers
    /// that set neither `on_error` nor `dead_letter`, it implies `on_error(OnError::DeadLetter)`.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders", ack = RejectOnError)]
    /// async fn bill(_order: u64) -> Result<(), String> {
    ///     Err("no price".into())
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// // One topic for the dead letters of all handlers, instead of one for each topic that is read.
    /// let app = FastStream::new(MemoryBroker::new()).name("billing").dead_letter("all-dead");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// assert_eq!(app.published::<u64>("all-dead").single(), 1);
    /// # });
    /// ```
    pub fn dead_letter(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.defaults.dead_letter = Some(topic.into());
        self
    }

    /// Sets the settings of all groups.
    pub fn group_settings(mut self, settings: GroupSettings) -> Self {
        self.group_settings = settings;
        self
    }
}
