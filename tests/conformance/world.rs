//! An app that plays, and what its handlers saw.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use faststream::{Exit, FastStream, Outgoing};
use faststream_core::app::{LaunchOptions, Running, StartOptions};

/// What a behaviour waits for comes within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// What handlers saw, in order.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Vec<String>>);

impl Seen {
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.0.lock().expect("no handler panics under the lock").push(text.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().expect("no handler panics under the lock").clone()
    }

    pub(crate) fn sorted(&self) -> Vec<String> {
        let mut all = self.all();
        all.sort();
        all
    }
}

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) seen: Arc<Seen>,
}

impl World {
    /// The handlers of this module; the group is called like it.
    pub(crate) async fn start(app: FastStream, module: &str) -> Self {
        Self::start_skipping(app, module, []).await
    }

    /// As `run --skip` does.
    pub(crate) async fn start_skipping(
        app: FastStream,
        module: &str,
        skips: impl IntoIterator<Item = (String, i32, i64)>,
    ) -> Self {
        let app = app.name("conformance").module(module).state(Seen::default());
        let setting =
            LaunchOptions { skips: skips.into_iter().map(Into::into).collect(), ..LaunchOptions::default() };
        let plan = app.plan(setting).unwrap_or_else(|faults| panic!("{faults}"));
        let seen = plan.state().expect("given above");
        let running = plan.start(StartOptions::default()).await.expect("it starts");
        Self { running, seen }
    }

    /// Waits until handlers have noted so much.
    pub(crate) async fn sees(&self, notes: usize) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.seen.all().len() < notes {
            assert!(tokio::time::Instant::now() < until, "{notes} expected, seen: {:?}", self.seen.all());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn stop(mut self) -> Exit {
        self.running.shutdown();
        self.ends().await
    }

    pub(crate) async fn ends(&mut self) -> Exit {
        tokio::time::timeout(PATIENCE, self.running.ended()).await.expect("it ends")
    }
}

/// Waits until `done` says so.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(tokio::time::Instant::now() < until, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A JSON number.
pub(crate) fn number(topic: &str, number: i64) -> Outgoing {
    Outgoing::new(topic, number.to_string())
}
