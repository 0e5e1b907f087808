//! What runs at start and at stop: a state that is made before the first record, and what is written at the end.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use faststream::kafka::Kafka;
use faststream::{FastStream, HookContext, State, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Visit {
    page: String,
}

/// How often each page was visited.
struct Visits(Mutex<BTreeMap<String, u64>>);

impl Visits {
    /// As a service would read them from a database. An error ends the start.
    async fn load() -> std::io::Result<Self> {
        Ok(Self(Mutex::new(BTreeMap::from([("home".to_owned(), 40)]))))
    }

    fn of(&self, page: &str) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(page.to_owned()).or_default()
    }
}

/// Counts the visits of each page.
#[subscriber(topic = "visits")]
async fn count(visit: Visit, State(visits): State<Visits>) {
    *visits.0.lock().unwrap_or_else(PoisonError::into_inner).entry(visit.page).or_default() += 1;
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env())
        .name("visits")
        .state_with(Visits::load)
        .after_startup(async || tracing::info!("counting"))
        .on_shutdown(async |hook: HookContext| {
            // All handlers have ended, and what they left can be written.
            let home = hook.state::<Visits>().map(|visits| visits.of("home"));
            tracing::info!(home, "counted");
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::TestApp;

    #[faststream::test]
    async fn visits_are_counted_on_top_of_what_was_loaded() {
        let app = TestApp::start(app().await).await;
        app.publish("visits", &Visit { page: "home".into() }).await;
        app.publish("visits", &Visit { page: "help".into() }).await;
        let visits = app.state::<Visits>().expect("it runs");
        assert_eq!((visits.of("home"), visits.of("help")), (41, 1));
        assert_eq!(app.shutdown().await.code, 0);
    }
}
