//! Handlers that are slow, stuck or failing: their own partition's trouble, and nobody else's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use faststream::kafka::{Kafka, KafkaConfig};
use faststream::{FastStream, Metadata, State};
use faststream_core::app::{LaunchOptions, StartOptions};

use crate::behind_proxy::in_full;
use crate::broker;
use crate::client::{Writer, committed, create_topic, delete_topic, produce, produce_large_batches};
use crate::service::Service;
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(40);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads")
}

mod slow {
    use std::thread;
    use std::time::Duration;

    use super::{Calls, Metadata, State};
    use faststream::subscriber;

    /// Longer than the poll interval and the session, which are 6 s.
    pub(super) const LONG: Duration = Duration::from_secs(9);

    #[subscriber(topic = "slow-waiting", group = "slow-waiting")]
    async fn waiting(id: u64, metadata: Metadata, State(calls): State<Calls>) {
        calls.note(&metadata);
        if id == 0 {
            tokio::time::sleep(LONG).await;
        }
    }

    #[subscriber(topic = "slow-blocking", group = "slow-blocking")]
    async fn blocking(id: u64, metadata: Metadata, State(calls): State<Calls>) {
        calls.note(&metadata);
        if id == 0 {
            thread::sleep(LONG);
        }
    }

    #[subscriber(topic = "slow-plain", group = "slow-plain")]
    fn plain(id: u64, metadata: Metadata, State(calls): State<Calls>) {
        calls.note(&metadata);
        if id == 0 {
            thread::sleep(LONG);
        }
    }
}

/// How often each record was handed to its handler.
#[derive(Default)]
struct Calls(Mutex<BTreeMap<(String, i32, i64), u32>>);

impl Calls {
    fn note(&self, metadata: &Metadata) {
        let place = (metadata.topic.to_string(), metadata.partition, metadata.offset);
        *self.0.lock().expect("not poisoned").entry(place).or_default() += 1;
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_call_longer_than_the_poll_interval_is_made_once_and_committed() {
    let kafka = broker::Kafka::start("slow");
    let brokers = kafka.address();
    let topics = ["slow-waiting", "slow-blocking", "slow-plain"];
    let writer = Writer::new(&brokers);
    let write = |topic, partition, text: &str| writer.write(topic, partition, Some(text.as_bytes()));
    for topic in topics {
        create_topic(&brokers, topic, 1);
        write(topic, 0, "0");
        write(topic, 0, "1");
    }
    let config = KafkaConfig::new(&brokers).session_timeout(Duration::from_secs(6));
    let config = config.property("max.poll.interval.ms", "6000");
    let app = FastStream::new(Kafka::with(config))
        .name("slow")
        .module(concat!(module_path!(), "::slow"))
        .state(Calls::default());
    let plan = app.plan(LaunchOptions::default()).expect("a right app");
    let calls: Arc<Calls> = plan.state().expect("given above");
    let runtime = runtime();
    let began = Instant::now();
    let mut running = runtime.block_on(plan.start(StartOptions::default())).expect("it starts");
    for topic in topics {
        wait_until("both records are committed", LIMIT, || {
            committed(&brokers, topic, topic, 1) == [(0, 2)].into()
        });
    }
    assert!(began.elapsed() > slow::LONG, "the calls were long");
    let calls = calls.0.lock().expect("not poisoned").clone();
    let once = topics.iter().flat_map(|topic| [((*topic).to_owned(), 0, 0), ((*topic).to_owned(), 0, 1)]);
    assert_eq!(calls, once.map(|place| (place, 1)).collect(), "each once");
    running.shutdown();
    assert_eq!(runtime.block_on(running.ended()).code, 0);
    runtime.shutdown_background();
}

/// Handlers of the service in `trouble.rs`: the record 0 goes wrong in partition 0, and nothing does in partition 1.
const TROUBLE: [&str; 6] = ["panics", "fails", "undecodable", "blocks", "blocks-plain", "hangs"];
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Java and Maven"]
fn held_and_stuck_records_cost_nothing_and_everything_else_goes_on() {
    let kafka = broker::Kafka::start("trouble");
    let brokers = kafka.address();
    let writer = Writer::new(&brokers);
    let write = |topic, partition, text: &str| writer.write(topic, partition, Some(text.as_bytes()));
    for topic in TROUBLE {
        create_topic(&brokers, topic, 2);
        write(topic, 0, "1");
        write(topic, 0, if topic == "undecodable" { "{" } else { "0" });
        write(topic, 0, "2");
        write(topic, 1, "1");
    }
    let mut service =
        Service::start_service("trouble", &brokers, "trouble", &["session.timeout.ms=6000"], &[]);
    let at = |topic: &str| committed(&brokers, "trouble", topic, 2);
    let is_at = |topic: &str, beside: i64| at(topic) == [(0, 1), (1, beside)].into();
    for topic in TROUBLE {
        wait_until("what comes before and beside it is committed", LIMIT, || is_at(topic, 1));
    }
    for topic in ["panics", "fails", "undecodable"] {
        let place = format!("topic={topic} partition=0 offset=1 ");
        wait_until("it is held, and said so", LIMIT, || {
            service
                .log()
                .lines()
                .any(|line| line.contains("held, nothing behind it") && line.contains(&place))
        });
    }

    for (topic, what) in [
        ("hangs", "a call takes longer than 10 s"),
        ("blocks-plain", "a call takes longer than 10 s"),
        ("blocks", "a handler blocks its thread"),
    ] {
        let place = format!("topic={topic} partition=0 offset=1 ");
        wait_until("what is stuck is said", LIMIT, || {
            service.log().lines().any(|line| line.contains(what) && line.contains(&place))
        });
    }

    service.is_at_rest("three records held, three calls stuck", Duration::from_secs(8), 5);

    for topic in TROUBLE {
        write(topic, 1, "2");
    }
    let began = Instant::now();
    for topic in TROUBLE {
        wait_until("the other partitions go on", LIMIT, || is_at(topic, 2));
    }
    // Handled at once, committed within a second.
    assert!(began.elapsed() < Duration::from_secs(5), "only after {:?}", began.elapsed());

    let began = Instant::now();
    let (status, took) = (service.stop(), began.elapsed());
    assert_eq!(status.code(), Some(2), "calls were cut off: {}", service.log());
    // The drain time of 5 s, and 2 s.
    assert!(took < Duration::from_millis(7_500), "only after {took:?}");
    for topic in TROUBLE {
        assert!(is_at(topic, 2), "{topic}: what was not handled is not committed, and is at {:?}", at(topic));
    }
    for topic in ["blocks", "blocks-plain", "hangs"] {
        let place = format!("topic={topic} partition=0 offset=1 ");
        let cut_off = |line: &str| line.contains("cut off") && line.contains(&place);
        assert!(service.log().lines().any(cut_off), "{topic} is not named in:\n{}", service.log());
    }
}

/// What a service has had resident at most whose partitions stand still at their first record, with so much behind it, and
/// what it had before it fetched.
#[cfg(target_os = "linux")]
fn fetched_ahead(brokers: &str, log: &str, partitions: i32, write: impl FnOnce(&str)) -> (u64, u64) {
    /// So many looks without growth.
    const STEADY: u32 = 60;
    for topic in TROUBLE {
        create_topic(brokers, topic, if topic == "hangs" { partitions } else { 1 });
    }
    write("hangs");
    let mut service = Service::start_service("trouble", brokers, log, &[], &[]);
    service.logs(LIMIT, &[" started, with handlers "]);
    let before = service.memory();
    service.logs(LIMIT, &[" assigned: ", &format!("{}", partitions - 1)]);
    let (mut most, mut steady) = (0, 0);
    wait_until("it grows no more", LIMIT, || {
        let now = service.peak();
        steady = if now > most { 0 } else { steady + 1 };
        most = most.max(now);
        steady > STEADY
    });
    assert_eq!(service.stop().code(), Some(2), "calls were cut off: {}", service.log());
    for topic in TROUBLE {
        delete_topic(brokers, topic);
    }
    (most, before)
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Java and Maven"]
fn what_is_fetched_ahead_of_a_slow_handler_is_bounded() {
    // Of each partition no more than 4 MiB, 10,000 records, and what one fetch of 1 MiB brings beyond; librdkafka needs
    // some 300 B for each record besides. Without these limits they are 180 and 640 MiB.
    const LARGE: (&str, u64, usize, u64) = ("large", 16_000, 10_000, 80 << 20);
    const SMALL: (&str, u64, usize, u64) = ("small", 2_000_000, 1, 240 << 20);
    let kafka = broker::Kafka::start("ahead");
    let brokers = kafka.address();
    for (what, records, size, bound) in [LARGE, SMALL] {
        let payload = format!("{:size$}", 0);
        let write = |topic: &str| produce(&brokers, topic, 4, 0, records, |_| payload.clone());
        let (memory, _) = fetched_ahead(&brokers, &format!("ahead-{what}"), 4, write);
        println!("{records} {what} records behind calls that hang: {} MiB", memory >> 20);
        // A service that reads nothing has 15 MiB.
        assert!((24 << 20..bound).contains(&memory), "{what}: {memory} B");
    }
}

/// Handlers that hang, with a backlog behind them, in batches of 1 MB: whatever librdkafka takes of each partition at least.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Java and Maven"]
fn what_a_member_fetches_ahead_is_bounded_whatever_the_number_of_its_partitions() {
    const BOUND: u64 = 256 << 20;
    /// Of each partition: its task, its queue, and the batch in which its call is suspended.
    const EACH: u64 = 64 << 10;
    let mut plays = vec![(60, 9_000, 100), (300, 900, 2_000)];
    if in_full() {
        plays.extend([(60, 3_500, 2_000), (300, 9_000, 100), (1_000, 600, 2_000), (1_000, 9_000, 100)]);
    }
    let kafka = broker::Kafka::start("bounded");
    for (partitions, records, size) in plays {
        let log = format!("bounded-{partitions}-{size}");
        let payload = format!("{:size$}", 0);
        let write =
            |topic: &str| produce_large_batches(&kafka.address(), topic, partitions, records, &payload);
        let (most, before) = fetched_ahead(&kafka.address(), &log, partitions, write);
        let (what, used) = (format!("{partitions} partitions, {size} B"), most - before);
        println!("{what}: {} MiB, and {} MiB before", used >> 20, before >> 20);
        let bound = BOUND + u64::try_from(partitions).expect("some") * EACH;
        assert!((24 << 20..bound).contains(&used), "{what}: {} MiB", used >> 20);
    }
}

mod crowd {
    use std::time::Duration;

    use super::{Calls, Metadata, State};
    use faststream::subscriber;

    #[subscriber(topic = "crowd", group = "crowd")]
    async fn crowd(_id: u64, metadata: Metadata, State(calls): State<Calls>) {
        calls.note(&metadata);
        if metadata.partition < super::HANG {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Of how many partitions of the topic `crowd` the first call hangs.
const HANG: i32 = 10;

/// Each has a batch of 1 MB, and all may have 16 MiB: some stop fetching for others, again and again.
#[test]
#[ignore = "needs Java and Maven"]
fn partitions_that_share_too_little_memory_are_all_handled_each_record_once() {
    const PARTITIONS: i32 = 30;
    const RECORDS: u64 = 500;
    let kafka = broker::Kafka::start("crowd");
    let brokers = kafka.address();
    create_topic(&brokers, "crowd", PARTITIONS);
    produce_large_batches(&brokers, "crowd", PARTITIONS, RECORDS, &format!("{:1900}", 0));
    let app = FastStream::new(Kafka::with(KafkaConfig::new(&brokers).fetch_memory(16 << 20)))
        .name("crowd")
        .module(concat!(module_path!(), "::crowd"))
        .state(Calls::default());
    let plan = app.plan(LaunchOptions::default()).expect("a right app");
    let calls: Arc<Calls> = plan.state().expect("given above");
    let runtime = runtime();
    let began = Instant::now();
    let mut running = runtime.block_on(plan.start(StartOptions::default())).expect("it starts");
    let all: BTreeMap<i32, i64> = (0..PARTITIONS)
        .map(|partition| {
            (partition, if partition < HANG { 0 } else { i64::try_from(RECORDS).expect("fits") })
        })
        .collect();
    wait_until("all behind no call that hangs are committed", LIMIT, || {
        committed(&brokers, "crowd", "crowd", PARTITIONS) == all
    });
    println!("all were committed {:?} after the start", began.elapsed());
    running.shutdown();
    runtime.block_on(running.ended());
    runtime.shutdown_background();
    let calls = calls.0.lock().expect("not poisoned");
    assert_eq!(calls.values().sum::<u32>(), 20 * 500 + 10, "each once");
}
