//! State that is made at start, hooks, publishing by hand, and topics by pattern.

use std::collections::BTreeMap;
use std::sync::Mutex;

use faststream::kafka::Kafka;
use faststream::{Captures, FastStream, HookContext, Publish, Publisher, State, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line {
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Alarm {
    source: String,
    count: u64,
}

#[derive(Default)]
struct Counts(Mutex<BTreeMap<String, u64>>);

/// Counts the error lines of each source, and raises an alarm at every third.
#[subscriber(pattern = "^logs\\.(?<source>[a-z]+)$")]
async fn count(
    line: Line,
    source: Captures,
    State(counts): State<Counts>,
    out: Publisher,
) -> anyhow::Result<()> {
    if !line.text.starts_with("error") {
        return Ok(());
    }
    let source = source.0["source"].clone();
    let count = {
        let mut counts = counts.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = counts.entry(source.clone()).or_default();
        *count += 1;
        *count
    };
    if count % 3 == 0 {
        out.send("alarms", Publish::new(Alarm { source: source.clone(), count }).key(&source)).await?;
    }
    Ok(())
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env())
        .name("alarms")
        .state_with(|| async { Ok::<_, std::io::Error>(Counts::default()) })
        .on_shutdown(|hook: HookContext| async move {
            let counts = hook.state::<Counts>().map(|counts| counts.0.lock().map(|counts| counts.len()));
            tracing::info!(sources = ?counts, "bye");
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::TestApp;

    #[faststream::test]
    async fn every_third_error_of_a_source_raises_an_alarm() {
        let app = TestApp::start(app().await).await.lenient();
        for (topic, text) in
            [("logs.db", "error 1"), ("logs.web", "error 1"), ("logs.db", "fine"), ("logs.db", "error 2")]
        {
            app.publish(topic, &Line { text: text.into() }).await;
        }
        assert!(app.published::<Alarm>("alarms").is_empty());
        app.publish("logs.db", &Line { text: "error 3".into() }).await;
        let alarms = app.published::<Alarm>("alarms");
        assert_eq!((alarms.single().source.as_str(), alarms.single().count), ("db", 3));
        assert_eq!(alarms.keys(), [Some("db".to_owned())]);
    }
}
