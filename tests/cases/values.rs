//! What is written is what was given, or the call failed.

use std::collections::BTreeMap;

use faststream::memory::MemoryBroker;
use faststream::testing::TestApp;
use faststream::{FastStream, Publish, publisher, subscriber};
use serde::{Deserialize, Serialize};

/// The app of one module.
async fn start(module: &str) -> TestApp {
    TestApp::start(FastStream::new(MemoryBroker::new()).name("t").module(module)).await.lenient()
}

/// The one record that is held says this; nothing was published.
fn is_held_for(app: &TestApp, words: &[&str]) {
    let held = app.held();
    assert_eq!(held.len(), 1, "{held:?}");
    for word in words {
        assert!(held[0].error.contains(word), "{word} in {}", held[0].error);
    }
    assert!(app.published::<Option<f64>>("out").is_empty());
}

mod number {
    use super::*;

    #[subscriber(topic = "in")]
    #[publisher(topic = "out")]
    async fn divide(number: f64) -> f64 {
        number / 0.0
    }

    #[faststream::test]
    async fn a_number_that_is_not_finite_is_not_published_as_null() {
        for (number, name) in [(0.0, "NaN"), (1.0, "inf"), (-1.0, "-inf")] {
            let app = start(module_path!()).await;
            app.publish("in", &number).await;
            is_held_for(&app, &["f64", name, "JSON cannot express"]);
        }
    }
}

mod nested {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Line {
        price: f32,
    }

    #[derive(Serialize, Deserialize)]
    struct Bill {
        note: Option<String>,
        lines: Vec<Line>,
        rates: BTreeMap<String, f64>,
    }

    #[subscriber(topic = "in")]
    #[publisher(topic = "out")]
    async fn bill(number: f32) -> Bill {
        let lines = vec![Line { price: 1.0 }, Line { price: number / 0.0 }];
        Bill { note: None, lines, rates: BTreeMap::from([("eur".to_owned(), 1.0)]) }
    }

    #[faststream::test]
    async fn a_number_that_is_not_finite_is_named_with_its_field() {
        let app = start(module_path!()).await;
        app.publish("in", &0.0).await;
        is_held_for(&app, &["Bill", "field `lines[1].price` is NaN"]);
    }
}

mod by_hand {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 1), on_error = Skip)]
    async fn send(number: f64, out: faststream::Publisher) {
        let sent = out.send("out", &[Some(number / 0.0), None]).await;
        let error = sent.expect_err("it cannot be written").to_string();
        assert!(error.contains("field `[0]` is NaN"), "{error}");
        let all = out.send_all("out", [1.0, f64::INFINITY]).await;
        assert!(
            all[0].is_ok() && all[1].as_ref().is_err_and(|error| error.message.contains("inf")),
            "{all:?}"
        );
        out.send("null", Option::<f64>::None).await.expect("null is null");
    }

    #[faststream::test]
    async fn a_publisher_is_told_of_a_number_that_is_not_finite() {
        let app = start(module_path!()).await;
        app.publish("in", &0.0).await;
        assert_eq!(app.published::<f64>("out").all(), [1.0]);
        assert_eq!(app.published::<Option<f64>>("null").all(), [None]);
    }
}

mod timestamps {
    use super::*;

    #[subscriber(topic = "in")]
    #[publisher(topic = "out")]
    async fn stamp(timestamp: i64) -> Publish<u64> {
        Publish::new(1).timestamp(timestamp)
    }

    #[faststream::test]
    async fn a_timestamp_that_cannot_be_written_as_it_is_is_refused() {
        for (timestamp, word) in [
            (0, "the timestamp 0 would be written as the present time"),
            (-5, "before 1970"),
            (i64::MIN, "before 1970"),
            (i64::MAX, "after the year 2100"),
            (1_600_000_000_000_000, "milliseconds since 1970"),
        ] {
            let app = start(module_path!()).await;
            app.publish("in", &timestamp).await;
            is_held_for(&app, &[word, "leave it out"]);
        }
        let app = start(module_path!()).await;
        app.publish("in", &1_600_000_000_000_i64).await;
        assert_eq!(app.published::<u64>("out").all(), [1]);
    }
}
