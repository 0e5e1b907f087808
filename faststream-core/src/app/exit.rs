//! How an app ended.

/// How an app ended: the exit code, and the messages that explain it.
///
/// ```
/// use faststream::{FastStream, TestApp, Verdict, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64) -> Verdict {
///     Verdict::Stop
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let mut app = TestApp::start(app).await;
/// app.append("orders", &1);
/// let exit = app.ended().await;
/// assert_eq!(exit.code, 3);
/// println!("{}", exit.messages.join("\n"));
/// # });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exit {
    /// The exit code: 0 clean, 1 not started, 2 the drain time was exceeded, 3 stopped by a handler or by a fatal
    /// error.
    pub code: u8,
    /// The reasons, and the unfinished work; empty if the app ended cleanly.
    pub messages: Vec<String>,
}

impl Exit {
    /// Returns the exit of an app that did not start.
    #[must_use]
    pub fn not_started(why: String) -> Self {
        Self { code: 1, messages: vec![why] }
    }

    /// Keeps the worst code. A deliberate stop ranks worse than a cancelled call.
    pub(super) fn report(&mut self, code: u8, messages: impl IntoIterator<Item = String>) {
        self.code = self.code.max(code);
        self.messages.extend(messages);
    }
}
