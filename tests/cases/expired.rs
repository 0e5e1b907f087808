//! Records that the broker deletes before anybody has read them.

use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, Outgoing};
use faststream_core::app::{LaunchOptions, StartOptions};
use faststream_core::context::Skip;

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
    let app = app(&broker).plan(LaunchOptions::default()).expect("a right app");
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

mod another {
    use faststream::subscriber;

    #[subscriber(topic = "kept", group = "another", retry(attempts = 1))]
    async fn handle(id: u64) -> Result<(), String> {
        if id == 13 { Err("no".into()) } else { Ok(()) }
    }
}

/// Runs it for a while with what is to be skipped; what was held, and how far it has committed.
async fn run_skipping(broker: &MemoryBroker, skips: Option<Skip>) -> (usize, i64) {
    let app = FastStream::new(broker.clone()).name("another").module(concat!(module_path!(), "::another"));
    let setting = LaunchOptions { skips: skips.into_iter().collect(), ..LaunchOptions::default() };
    let plan = app.plan(setting).expect("a right app");
    let mut running = plan.start(StartOptions::default()).await.expect("it starts");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let held = running.held().len();
    running.shutdown();
    running.ended().await;
    (held, broker.committed("another", "kept").get(&0).copied().unwrap_or(0))
}

/// The words of the cure in the line about a held record.
fn cure(lines: &Lines) -> Skip {
    let held = lines.with(&["held, nothing behind it moves", "run --skip"]).pop().expect("it is logged");
    let (_, cure) = held.split_once("run --skip ").expect("the cure");
    Skip::parse(cure.split_once('`').expect("it ends").0).expect("as it is read")
}

#[faststream::test]
async fn the_cure_of_a_held_record_skips_that_one_and_none_that_has_its_offset_in_a_topic_that_was_made_again()
 {
    let (lines, _guard) = Lines::capture();
    let write = |broker: &MemoryBroker, timestamp: i64, ids: [u64; 2]| {
        broker.create_topic("kept", 1);
        for id in ids {
            let record = Outgoing::new("kept", id.to_string());
            broker.append(Outgoing { timestamp: Some(timestamp), ..record }).expect("it is there");
        }
    };
    let broker = MemoryBroker::new();
    write(&broker, 1_600_000_000_000, [1, 13]);
    assert_eq!(run_skipping(&broker, None).await, (1, 1));
    let cure = cure(&lines);
    assert_eq!((&*cure.topic, cure.partition, cure.offset), ("kept", 0, 1));
    assert_eq!(cure.timestamp, Some(1_600_000_000_000));
    // A topic that was made again: the same offset is another record's.
    let again = MemoryBroker::new();
    write(&again, 1_600_000_000_001, [1, 2]);
    assert_eq!(run_skipping(&again, Some(cure.clone())).await, (0, 2));
    assert!(lines.with(&["as `--skip` asked"]).is_empty(), "{:?}", lines.all());
    let said = lines.with(&["`--skip` names another record", "topic=kept", "offset=1"]);
    assert_eq!(said.len(), 1, "{:?}", lines.all());
    assert_eq!(run_skipping(&broker, Some(cure)).await, (0, 2), "where it is, it is skipped");
    assert_eq!(lines.with(&["as `--skip` asked", "offset=1"]).len(), 1, "{:?}", lines.all());
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
    let skips = [3, 7].map(|offset| ("skipped".to_owned(), 0, offset).into()).into();
    let plan = app.plan(LaunchOptions { skips, ..LaunchOptions::default() }).expect("a right app");
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
