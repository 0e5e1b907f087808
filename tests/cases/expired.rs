//! Records that the broker deletes before anybody has read them.

use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, Outgoing};
use faststream_core::app::{Setting, StartOptions};

use crate::captured::Lines;

mod deleted {
    use faststream::{Metadata, subscriber};

    #[subscriber(topic = "expiring", group = "expired")]
    async fn handle(_id: u64, metadata: Metadata) {
        // The first one takes its time: the log's beginning overtakes it.
        if metadata.offset == 0 {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        }
    }
}

fn app(broker: &MemoryBroker) -> FastStream {
    FastStream::new(broker.clone()).name("expired").module("cases::expired")
}

#[faststream::test]
async fn records_that_are_deleted_before_they_were_handled_are_counted_and_shown_in_health() {
    let broker = MemoryBroker::new();
    broker.create_topic("expiring", 1);
    let append = |count: u32| {
        for _ in 0..count {
            broker.append(Outgoing::new("expiring", "1")).expect("it is there");
        }
    };
    append(10);
    let ended = app(&broker).run_until(tokio::time::sleep(Duration::from_secs(10))).await;
    assert_eq!(ended.code, 0);
    assert_eq!(broker.committed("expired", "expiring"), [(0, 10)].into());
    // Nobody runs when these are written, and deleted.
    append(20);
    broker.truncate_before("expiring", 0, 25);
    let app = app(&broker).plan(Setting::default()).expect("a right app");
    let running = app.start(StartOptions::default()).await.expect("it starts");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let health = running.health();
    assert!(health.degraded && health.ready && health.live, "{health:?}");
    let said = "expiring/0: 15 records from offset 10 on were deleted before";
    assert!(health.reasons.iter().any(|reason| reason.contains(said)), "{health:?}");
    assert_eq!(broker.committed("expired", "expiring"), [(0, 30)].into());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!running.health().degraded, "{:?}", running.health());
}

mod skipped {
    use faststream::subscriber;

    #[subscriber(topic = "skipped", group = "skipping")]
    async fn handle(_id: u64) {}
}

#[faststream::test]
async fn a_record_that_is_to_be_skipped_and_is_not_there_is_told() {
    let (lines, _guard) = Lines::capture();
    let broker = MemoryBroker::new();
    broker.create_topic("skipped", 1);
    for _ in 0..10 {
        broker.append(Outgoing::new("skipped", "1")).expect("it is there");
    }
    broker.truncate_before("skipped", 0, 5);
    let app = FastStream::new(broker.clone()).name("skipping").module(concat!(module_path!(), "::skipped"));
    let skips = [3, 7].map(|offset| ("skipped".to_owned(), 0, offset)).into();
    let plan = app.plan(Setting { skips, ..Setting::default() }).expect("a right app");
    let running = plan.start(StartOptions::default()).await.expect("it starts");
    tokio::time::sleep(Duration::from_secs(3)).await;
    drop(running);
    assert_eq!(
        lines.with(&["`--skip` has nothing to skip", "topic=skipped", "offset=3"]).len(),
        1,
        "{:?}",
        lines.all()
    );
    assert_eq!(lines.with(&["as `--skip` asked", "offset=7"]).len(), 1, "{:?}", lines.all());
}
