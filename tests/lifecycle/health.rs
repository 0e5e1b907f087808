//! What an app says of its health, and what it does not count against itself.

use std::time::{Duration, Instant};

use faststream::memory::MemoryBroker;
use faststream::{CommitClass, FastStream, GroupSettings, Health, TestApp, subscriber};
use faststream_core::app::{LaunchOptions, StartOptions};

const SECOND: Duration = Duration::from_secs(1);

mod fails {
    use super::*;

    #[subscriber(topic = "bad", group = "health")]
    async fn fails(number: u64) -> Result<(), String> {
        if number == 0 { Ok(()) } else { Err(format!("{number} is bad")) }
    }
}

mod keyed {
    use super::*;

    #[subscriber(topic = "keyed", group = "health", order = Key, retry(attempts = 1))]
    async fn one_fails(number: u64) -> Result<(), String> {
        if number == 1 { Err("bad".into()) } else { Ok(()) }
    }
}

mod unordered {
    use super::*;

    #[subscriber(topic = "unordered", group = "health", order = None, retry(attempts = 1))]
    async fn one_fails(number: u64) -> Result<(), String> {
        if number == 1 { Err("bad".into()) } else { Ok(()) }
    }
}

mod sleeps {
    use super::*;

    #[subscriber(topic = "slow", group = "health")]
    async fn sleeps(seconds: u64) {
        tokio::time::sleep(SECOND * u32::try_from(seconds).expect("a short test")).await;
    }
}

mod blocks {
    use super::*;

    #[subscriber(topic = "blocked", group = "health")]
    async fn blocks(seconds: u64) {
        std::thread::sleep(SECOND * u32::try_from(seconds).expect("a short test"));
    }
}

fn app(module: &str) -> FastStream {
    FastStream::new(MemoryBroker::new()).name("health").module(format!("{}::{module}", module_path!()))
}

fn said(health: &Health, what: &str) -> bool {
    health.reasons.iter().any(|reason| reason.contains(what))
}

#[faststream::test]
async fn a_held_record_degrades_and_all_partitions_held_are_not_ready() {
    let app = TestApp::start(app("fails")).await;
    assert!(!app.health().ready, "no assignment yet");
    app.publish("bad", &0_u64).await;
    assert!(app.health().ready && !app.health().degraded, "{:?}", app.health());
    app.publish("bad", &7_u64).await;
    let health = app.health();
    assert!(health.live && !health.ready && health.degraded, "{health:?}");
    assert!(said(&health, "fails holds bad/0 at offset 1 after 5 attempts: 7 is bad"), "{health:?}");
}

#[faststream::test]
async fn a_held_record_without_order_or_of_one_key_leaves_its_partition_ready_until_too_much_is_behind_it() {
    for module in ["keyed", "unordered"] {
        let app = TestApp::start(app(module).group_settings(GroupSettings::new().max_in_flight(10))).await;
        let record = |number: u64| {
            let key = number.to_string();
            faststream::Outgoing { key: Some(key.clone().into()), ..faststream::Outgoing::new(module, key) }
        };
        (1..6).for_each(|number| app.append_record(record(number)));
        app.settle().await;
        let health = app.health();
        assert!(health.ready && health.degraded && app.held().len() == 1, "{module}: {health:?}");
        (10..30).for_each(|number| app.append_record(record(number)));
        app.settle().await;
        assert!(!app.health().ready, "{module}: {:?}", app.health());
    }
}

#[faststream::test]
async fn commits_that_fail_for_over_a_minute_are_not_ready_until_they_succeed() {
    let app = TestApp::start(app("sleeps")).await;
    app.broker().fail_commits(CommitClass::Permanent, 90);
    app.publish("slow", &0_u64).await;
    app.advance(SECOND * 30).await;
    let health = app.health();
    assert!(health.live && health.ready && health.degraded && said(&health, "commits fail"), "{health:?}");
    app.advance(SECOND * 35).await;
    assert!(app.health().live && !app.health().ready, "{:?}", app.health());
    app.advance(SECOND * 35).await;
    assert!(app.health().ready && !app.health().degraded, "{:?}", app.health());
}

#[faststream::test]
async fn a_broker_that_is_away_is_no_reason_to_be_restarted() {
    let app = TestApp::start(app("sleeps")).await;
    app.publish("slow", &0_u64).await;
    app.broker().disconnect(SECOND * 600);
    app.append("slow", &0_u64);
    app.advance(SECOND * 300).await;
    assert!(app.health().live, "{:?}", app.health());
}

#[faststream::test]
async fn a_call_older_than_its_time_to_live_is_not_live_until_it_ends() {
    let settings = GroupSettings::new().handler_ttl(SECOND * 30);
    let app = TestApp::start(app("sleeps").group_settings(settings)).await;
    app.append("slow", &60_u64);
    tokio::time::sleep(SECOND * 25).await;
    assert!(app.health().live, "{:?}", app.health());
    tokio::time::sleep(SECOND * 20).await;
    let health = app.health();
    assert!(!health.live && said(&health, "sleeps has been running for"), "{health:?}");
    assert!(said(&health, "slow/0 at offset 0: older than `handler_ttl`"), "{health:?}");
    tokio::time::sleep(SECOND * 20).await;
    assert!(app.health().live && !app.health().degraded, "{:?}", app.health());
}

/// Real time: nothing else can tell that a thread is blocked.
#[test]
fn a_call_that_blocks_its_thread_is_named() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let broker = MemoryBroker::new();
    let app = FastStream::new(broker.clone()).name("health").module(concat!(module_path!(), "::blocks"));
    let plan = app.plan(LaunchOptions::default()).expect("a right app");
    let running = runtime.block_on(plan.start(StartOptions::default())).expect("it starts");
    broker.append(faststream::Outgoing::new("blocked", "14")).expect("it is written");
    let until = Instant::now() + SECOND * 13;
    while !said(&running.health(), "blocks has blocked a thread") {
        assert!(Instant::now() < until, "{:?}", running.health());
        std::thread::sleep(Duration::from_millis(50));
    }
    let health = running.health();
    assert!(health.live && health.degraded && said(&health, "blocked/0 at offset 0"), "{health:?}");
    drop(running);
    runtime.shutdown_background();
}

#[faststream::test]
async fn a_membership_that_is_lost_and_does_not_come_back_is_not_ready_until_it_does() {
    let app = TestApp::start(app("sleeps")).await;
    app.publish("slow", &0_u64).await;
    // Each is asked again after a tenth of a second: nothing is assigned for 30 s.
    app.broker().fail_offset_fetch(300);
    app.broker().lose("health");
    tokio::time::sleep(SECOND).await;
    let health = app.health();
    assert!(health.ready && health.degraded && said(&health, "its assignment was lost"), "{health:?}");
    tokio::time::sleep(SECOND * 11).await;
    let health = app.health();
    assert!(health.live && !health.ready && said(&health, "there is no new one yet"), "{health:?}");
    tokio::time::sleep(SECOND * 30).await;
    assert!(app.health().ready && !app.health().degraded, "{:?}", app.health());
}
