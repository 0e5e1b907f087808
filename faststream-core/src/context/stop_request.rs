//! The request to stop the whole app, made by a `Stop` verdict.

use tokio::sync::watch;

/// The request to stop the whole app. The first reason counts.
#[derive(Debug, Default)]
pub struct StopRequest {
    reason: watch::Sender<Option<String>>,
}

impl StopRequest {
    /// Asks the app to drain and to exit with 3. Returns at once.
    pub fn request(&self, reason: String) {
        self.reason.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(reason);
            first
        });
    }

    /// Waits for a request, and returns its reason.
    pub async fn requested(&self) -> String {
        let mut reason = self.reason.subscribe();
        let known = reason.wait_for(Option::is_some).await;
        // The sender is `self`, which outlives the wait.
        known.ok().and_then(|known| known.clone()).unwrap_or_default()
    }
}
