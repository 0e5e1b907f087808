//! Topics by pattern: a handler reads all topics that match, also those that are made later, and knows which it was.

use faststream::kafka::Kafka;
use faststream::{Captures, FastStream, publisher, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line {
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Alarm {
    source: String,
    text: String,
}

/// The named groups of the pattern.
#[derive(Deserialize)]
struct Source {
    source: String,
}

/// Turns the error lines of all sources into alarms.
#[subscriber(pattern = "^logs\\.(?<source>[a-z]+)$")]
#[publisher(topic = "alarms", key = |alarm: &Alarm| alarm.source.clone())]
async fn watch(line: Line, Captures(Source { source }): Captures<Source>) -> Option<Alarm> {
    line.text.starts_with("error").then_some(Alarm { source, text: line.text })
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("alarms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::TestApp;

    #[faststream::test]
    async fn error_lines_become_alarms_of_their_source() {
        let app = TestApp::start(app().await).await;
        for (topic, text) in [("logs.db", "fine"), ("logs.web", "fine"), ("logs.db", "error: disk full")] {
            app.publish(topic, &Line { text: text.into() }).await;
        }
        let alarms = app.published::<Alarm>("alarms");
        assert_eq!((alarms.single().source.as_str(), alarms.keys()), ("db", vec![Some("db".to_owned())]));
    }
}
