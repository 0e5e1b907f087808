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

mod keys {
    use super::*;

    #[subscriber(topic = "in")]
    #[publisher(topic = "out")]
    async fn by_value(key: f64) -> Publish<u64> {
        Publish::new(1).key(key / 0.0)
    }

    #[subscriber(topic = "named")]
    #[publisher(topic = "out", key = |number: &f32| *number / 0.0)]
    async fn by_publisher(number: f32) -> f32 {
        number
    }

    #[subscriber(topic = "sent", retry(attempts = 1), on_error = Skip)]
    async fn by_hand(key: f64, out: faststream::Publisher) {
        let sent = out.send("out", Publish::new(1).key(Some(key / 0.0))).await;
        assert!(sent.expect_err("no key").to_string().contains("its key is inf, which is no key"));
        let gone = out.tombstone("out", key / 0.0).await;
        assert!(gone.expect_err("no key").to_string().contains("its key is inf, which is no key"));
        out.send("fine", Publish::new(1).key(key).header("rate", f64::NAN)).await.expect("a key");
    }

    #[faststream::test]
    async fn a_key_that_is_not_finite_is_not_written_as_a_text() {
        for (topic, number, name) in [
            ("in", 0.0, "NaN"),
            ("in", 1.0, "inf"),
            ("in", -1.0, "-inf"),
            ("named", 0.0, "NaN"),
            ("named", 1.0, "inf"),
        ] {
            let app = start(module_path!()).await;
            app.publish(topic, &number).await;
            is_held_for(&app, &[&format!("its key is {name}, which is no key: give another one, or none")]);
        }
        let app = start(module_path!()).await;
        app.publish("sent", &1.5).await;
        assert!(app.calls("by_hand")[0].error.is_none(), "{:?}", app.calls("by_hand"));
        assert_eq!(app.broker().records("out").len(), 0);
        let [(_, fine)] = &app.broker().records("fine")[..] else { panic!("one") };
        assert_eq!(fine.key.as_deref(), Some(&b"1.5"[..]));
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

    /// Milliseconds since 1970, by the machine's clock.
    fn now() -> i64 {
        let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        i64::try_from(since.as_millis()).expect("soon enough")
    }

    #[faststream::test]
    async fn a_timestamp_more_than_an_hour_ahead_of_every_clock_is_refused_as_by_a_broker() {
        const MINUTE: i64 = 60_000;
        for ahead in [61 * MINUTE, 24 * 60 * MINUTE, 365 * 24 * 60 * MINUTE] {
            let app = start(module_path!()).await;
            app.publish("in", &(now() + ahead)).await;
            is_held_for(
                &app,
                &["more than an hour ahead", "`message.timestamp.after.max.ms`", "leave it out"],
            );
        }
        let app = start(module_path!()).await;
        // By the machine's clock, and by that of the test, which stands at a time long ago.
        for timestamp in [now(), now() + 50 * MINUTE, 1_577_836_800_000 + 50 * MINUTE] {
            app.publish("in", &timestamp).await;
        }
        assert_eq!(app.published::<u64>("out").all(), [1, 1, 1]);
        // However long a test lasts by its own clock.
        app.advance(std::time::Duration::from_secs(24 * 3600)).await;
        app.publish("in", &(now() + 24 * 60 * MINUTE)).await;
        assert_eq!(app.published::<u64>("out").all().len(), 4);
    }
}
