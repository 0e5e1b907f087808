//! Which of the linked subscribers an app runs.

use super::FastStream;

/// The subscribers that an app selects.
#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Selection {
    /// Module paths.
    pub(in crate::app) modules: Vec<String>,
    /// Names of packages.
    pub(in crate::app) packages: Vec<String>,
}

impl FastStream {
    /// Selects the subscribers of this module and of the modules below it, by its full path: `shop::orders`, or
    /// `module_path!()`. Repeated calls add to the selection, and to the one of [`package`](Self::package). Without any
    /// selection, the app runs all subscribers that are linked in.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker};
    ///
    /// mod billing {
    ///     #[faststream::subscriber(topic = "orders")]
    ///     async fn bill(_order: u64) {}
    /// }
    ///
    /// mod mailing {
    ///     #[faststream::subscriber(topic = "invoices")]
    ///     async fn mail(_invoice: u64) {}
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let billing = concat!(module_path!(), "::billing");
    /// let app = FastStream::new(MemoryBroker::new()).name("billing").module(billing);
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// assert_eq!(app.calls("bill").len(), 1);
    /// # });
    /// ```
    pub fn module(mut self, path: impl Into<String>) -> Self {
        self.selection.modules.push(path.into());
        self
    }

    /// Selects the subscribers of this package, by its name in `Cargo.toml`: `orders-service`, or
    /// `env!("CARGO_PKG_NAME")`. Repeated calls add to the selection, and to the one of [`module`](Self::module).
    ///
    /// A library's subscribers run in every program that uses anything of the library. Without `package` and `module`
    /// they all run, and a warning at startup names each package other than the one that has `main`.
    pub fn package(mut self, name: impl Into<String>) -> Self {
        self.selection.packages.push(name.into());
        self
    }
}
