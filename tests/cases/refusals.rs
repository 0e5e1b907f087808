//! What refuses copies is named, and is no fault of the record.

use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::testing::TestApp;
use faststream::{FastStream, subscriber};
use tokio::time::sleep;

use crate::captured::Lines;

async fn start(module: &str) -> TestApp {
    TestApp::start(FastStream::new(MemoryBroker::new()).name("t").module(module)).await.lenient()
}

mod dead_letters {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 1), on_error = DeadLetter)]
    async fn fails(_number: u64) -> Result<(), String> {
        Err("bad".into())
    }

    #[faststream::test]
    async fn a_dead_letter_that_is_refused_is_held_with_its_topic_and_a_cure_that_is_one() {
        let (lines, _logs) = Lines::capture();
        let app = start(module_path!()).await;
        // As a compacted topic refuses records without a key.
        app.broker().refuse_publishes_to("in-dlt", 1);
        app.append("in", &1_u64);
        sleep(Duration::from_secs(2)).await;
        let [held] = &app.held()[..] else { panic!("{:?}", app.held()) };
        assert!(held.error.contains("in-dlt") && held.error.contains("refused by script"), "{held:?}");
        let [line] = &lines.with(&["held, nothing behind it moves"])[..] else { panic!("{:?}", lines.all()) };
        let cure = "see to it that the topic that refused its copy takes it";
        assert!(line.contains(cure) && !line.contains("set `on_error"), "{line}");
        app.settle().await;
        app.advance(Duration::from_secs(31)).await;
        assert_eq!((app.held().len(), app.dead_letters("in").len()), (0, 1), "once it takes it, all is well");
    }
}

mod retry_topics {
    use super::*;

    #[subscriber(topic = "in", retry(attempts = 1, topics = ["2s"]), on_error = DeadLetter)]
    async fn fails_once(_number: u64, metadata: faststream::Metadata) -> Result<(), String> {
        if metadata.attempt == 1 { Err("bad".into()) } else { Ok(()) }
    }

    #[faststream::test]
    async fn a_retry_topic_that_may_not_be_written_to_degrades_health_and_is_written_to_soon_after_it_may() {
        let app = start(module_path!()).await;
        let stage = "in-t-retry-2s";
        app.broker().deny_publishes_to(stage, u32::MAX);
        app.append("in", &1_u64);
        app.append("in", &2_u64);
        sleep(Duration::from_secs(14)).await;
        let health = app.health();
        let is_named = health.reasons.iter().any(|reason| reason.contains(stage));
        assert!(health.degraded && is_named, "{health:?}");
        assert!(app.held().is_empty() && app.broker().records("in-dlt").is_empty(), "{:?}", app.held());
        let calls = app.calls("fails_once").len();
        assert!(calls <= 2, "a denial is no failed attempt: {calls} calls");
        app.broker().deny_publishes_to(stage, 0);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(app.broker().records(stage).len(), 2);
        app.settle().await;
        let attempts: Vec<_> = app.calls("fails_once").iter().map(|call| call.attempt).collect();
        assert_eq!(attempts, [1, 1, 2, 2]);
        assert!(!app.health().degraded, "{:?}", app.health());
    }
}
