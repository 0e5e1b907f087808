//! Why this project exists: every commit fails while a second member joins, and nobody stands still.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::{Kafka, KafkaConfig, Protocol};
use faststream::{FastStream, Metadata, State, subscriber};
use faststream_core::app::{Running, Setting, StartOptions};
use faststream_kafka::rdkafka::mocking::MockCluster;
use faststream_kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde::Deserialize;

use crate::broker;
use crate::client::{Writer, committed, create_topic, ends};
use crate::proxy::{Proxy, REBALANCE_IN_PROGRESS};
use crate::service::wait_until;

const TOPIC: &str = "ticks";
const GROUP: &str = "origin";
const PARTITIONS: i32 = 4;
/// Records a second, over all partitions.
const RATE: u64 = 400;

#[derive(Deserialize)]
struct Tick {
    id: u64,
}

/// What one member handled, and when.
#[derive(Default)]
struct Seen(Mutex<Vec<(Instant, i32, u64)>>);

#[subscriber(topic = "ticks", group = "origin")]
async fn tick(tick: Tick, metadata: Metadata, State(seen): State<Seen>) {
    seen.0.lock().expect("not poisoned").push((Instant::now(), metadata.partition, tick.id));
}

struct Member {
    running: Running,
    seen: Arc<Seen>,
}

impl Member {
    async fn start(brokers: &str, protocol: Protocol) -> Self {
        let config = KafkaConfig::new(brokers).protocol(protocol);
        let config = match protocol {
            Protocol::Consumer => config,
            _ => config.session_timeout(Duration::from_secs(6)),
        };
        let app =
            FastStream::new(Kafka::with(config)).name(GROUP).module(module_path!()).state(Seen::default());
        let plan = app.plan(Setting::default()).expect("a right app");
        let seen = plan.state().expect("given above");
        let running = plan.start(StartOptions::default()).await.expect("it starts");
        Self { running, seen }
    }

    fn all(&self) -> Vec<(Instant, i32, u64)> {
        self.seen.0.lock().expect("not poisoned").clone()
    }

    /// Waits until something of its own assignment is handled; says how long that took after the assignment.
    fn first_after_assignment(&self, what: &str) -> Duration {
        let limit = Duration::from_secs(20);
        wait_quickly(what, limit, || self.running.partitions() > 0);
        let assigned = Instant::now();
        wait_quickly(what, limit, || !self.all().is_empty());
        assigned.elapsed()
    }

    async fn stop(mut self) -> Vec<(Instant, i32, u64)> {
        self.running.shutdown();
        let exit =
            tokio::time::timeout(Duration::from_secs(20), self.running.ended()).await.expect("it ends");
        assert_eq!(exit.code, 0, "{:?}", exit.sentences);
        self.all()
    }
}

fn wait_quickly(what: &str, limit: Duration, done: impl Fn() -> bool) {
    let until = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The longest silence of a partition that the first member keeps, in this time.
fn longest_gap(seen: &[(Instant, i32, u64)], from: Instant, to: Instant) -> Duration {
    let mut last: BTreeMap<i32, Instant> = BTreeMap::new();
    let mut longest: BTreeMap<i32, Duration> = BTreeMap::new();
    for (at, partition, _) in seen.iter().filter(|(at, ..)| (from..=to).contains(at)) {
        let before = last.insert(*partition, *at).unwrap_or(from);
        let gap = longest.entry(*partition).or_default();
        *gap = (*gap).max(*at - before);
    }
    // Kept: still handled at the end.
    let kept = longest.iter().filter(|(partition, _)| to - last[*partition] < Duration::from_millis(500));
    kept.map(|(_, gap)| *gap).max().unwrap_or_else(|| to - from)
}

/// Writes ticks until told to stop.
struct Feed {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Feed {
    fn start(brokers: &str) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (brokers, stopped, count) = (brokers.to_owned(), Arc::clone(&stop), Arc::clone(&written));
        let run = move || {
            let writer = Writer::new(&brokers);
            let began = Instant::now();
            while !stopped.load(SeqCst) {
                let due = u64::try_from(began.elapsed().as_millis()).expect("a short test") * RATE / 1000;
                let next = count.load(SeqCst);
                // Whole rounds, so that every partition goes on.
                let due = next + (due - next.min(due)) / 4 * 4;
                if due > next {
                    for (id, partition) in (next..due).zip((0..PARTITIONS).cycle()) {
                        writer.queue(TOPIC, partition, Some(format!(r#"{{"id":{id}}}"#).as_bytes()));
                    }
                    writer.flush();
                    count.store(due, SeqCst);
                }
                thread::sleep(Duration::from_millis(20));
            }
        };
        Self { stop, written, thread: Some(thread::spawn(run)) }
    }

    fn finish(mut self) -> u64 {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("all is written");
        }
        self.written.load(SeqCst)
    }
}

/// A member works, a second joins while commits are refused; then all is well again.
fn play(what: &str, clients: &str, direct: &str, protocol: Protocol, refuse: &dyn Fn(bool)) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let feed = Feed::start(direct);
    let first = runtime.block_on(Member::start(clients, protocol));
    first.first_after_assignment("the first member delivers");
    thread::sleep(Duration::from_secs(2));

    let mut gaps = Vec::new();
    let mut newcomers = Vec::new();
    let mut joins = Vec::new();
    let mut all = Vec::new();
    for refused in [false, true] {
        refuse(refused);
        let from = Instant::now();
        let second = runtime.block_on(Member::start(clients, protocol));
        newcomers.push(second.first_after_assignment("the newcomer delivers"));
        joins.push(from.elapsed());
        let before = committed(direct, GROUP, TOPIC, PARTITIONS);
        thread::sleep(Duration::from_secs(2));
        let moved = committed(direct, GROUP, TOPIC, PARTITIONS) != before;
        assert_eq!(moved, !refused, "{what}: commits are refused or not");
        gaps.push(longest_gap(&first.all(), from, Instant::now()));
        refuse(false);
        thread::sleep(Duration::from_secs(1));
        all.extend(runtime.block_on(second.stop()));
        wait_until("the first has all again", Duration::from_secs(20), || first.running.partitions() == 4);
    }
    let written = feed.finish();
    println!(
        "{what}: without and with refused commits: gap {gaps:?}, newcomer {joins:?} after its start and \
         {newcomers:?} after its assignment; {written} records"
    );
    assert!(gaps[1] <= gaps[0] + Duration::from_secs(1), "{what}: the kept partitions paused {gaps:?}");
    assert!(newcomers[1] <= Duration::from_secs(1), "{what}: the newcomer delivered after {newcomers:?}");
    // What comes before the assignment is the group's affair, and takes no longer either, give or take a heartbeat.
    assert!(joins[1] <= joins[0] + Duration::from_secs(2), "{what}: joining took {joins:?}");

    let ends = ends(direct, TOPIC, PARTITIONS);
    wait_until("all is committed", Duration::from_secs(20), || {
        committed(direct, GROUP, TOPIC, PARTITIONS) == ends
    });
    all.extend(runtime.block_on(first.stop()));
    let mut ids: Vec<u64> = all.into_iter().map(|(.., id)| id).collect();
    let handled = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, written, "{what}: lost");
    println!("{what}: {handled} handled of {written}");
    runtime.shutdown_background();
}

fn play_real(what: &str, protocol: Protocol) {
    let (listener, port) = Proxy::listen().expect("a port");
    let kafka = broker::Kafka::start_advertising(what, Some(port));
    let proxy = Proxy::start(listener, kafka.port).expect("a proxy");
    let clients = format!("127.0.0.1:{port}");
    create_topic(&clients, TOPIC, PARTITIONS);
    play(what, &clients, &clients, protocol, &|refused| {
        proxy.refuse_commits(refused.then_some(REBALANCE_IN_PROGRESS));
    });
    assert!(proxy.refused() > 0, "commits were refused");
}

#[test]
#[ignore = "needs Java and Maven"]
fn refused_commits_stop_nobody_with_cooperative_groups() {
    play_real("cooperative", Protocol::Cooperative);
}

#[test]
#[ignore = "needs Java and Maven"]
fn refused_commits_stop_nobody_with_range_groups() {
    play_real("range", Protocol::Range);
}

#[test]
#[ignore = "needs Java and Maven"]
fn refused_commits_stop_nobody_with_kip_848() {
    play_real("kip848", Protocol::Consumer);
}

/// On librdkafka's own mock cluster: no Java.
#[test]
fn refused_commits_stop_nobody_on_the_mock_cluster() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    cluster.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
    let brokers = cluster.bootstrap_servers();
    play("mock, KIP-848", &brokers, &brokers, Protocol::Consumer, &|refused| {
        if refused {
            let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS; 1000];
            cluster.request_errors(RDKafkaApiKey::OffsetCommit, &errors);
        } else {
            cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
        }
    });
}
