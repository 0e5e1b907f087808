//! Why this project exists, in memory and in virtual time: every commit fails while a second member joins, and nobody
//! stands still. On brokers the same is in `tests/kafka/origin.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faststream::memory::MemoryBroker;
use faststream::{FastStream, Metadata, Outgoing, Partition, State, subscriber};
use faststream_core::app::{LaunchOptions, Running, StartOptions};
use faststream_core::broker::CommitClass;
use tokio::time::{Instant, sleep};

const TOPIC: &str = "ticks";
const GROUP: &str = "origin";
const PARTITIONS: i32 = 4;
/// Between two records of a partition.
const PERIOD: Duration = Duration::from_millis(10);

/// What one member handled, and when.
#[derive(Default)]
struct Seen(Mutex<Vec<(Instant, i32, u64)>>);

#[subscriber(topic = "ticks", group = "origin")]
async fn tick(id: u64, metadata: Metadata, State(seen): State<Seen>) {
    seen.0.lock().expect("not poisoned").push((Instant::now(), metadata.partition, id));
}

struct Member {
    running: Running,
    seen: Arc<Seen>,
}

impl Member {
    async fn start(broker: &MemoryBroker) -> Self {
        let app = FastStream::new(broker.clone()).name(GROUP).module(module_path!()).state(Seen::default());
        let plan = app.plan(LaunchOptions::default()).expect("a right app");
        let seen = plan.state().expect("given above");
        let running = plan.start(StartOptions::default()).await.expect("it starts");
        Self { running, seen }
    }

    fn all(&self) -> Vec<(Instant, i32, u64)> {
        self.seen.0.lock().expect("not poisoned").clone()
    }

    async fn stop(mut self) -> Vec<(Instant, i32, u64)> {
        self.running.shutdown();
        assert_eq!(self.running.ended().await.code, 0);
        self.all()
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < until, "not done: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Writes to every partition in turn, for ever.
async fn feed(broker: MemoryBroker, written: Arc<AtomicU64>) {
    loop {
        for partition in 0..PARTITIONS {
            let id = written.fetch_add(1, SeqCst);
            let record = Outgoing::new(TOPIC, id.to_string());
            broker
                .append(Outgoing { partition: Partition::Exactly(partition), ..record })
                .expect("it is written");
        }
        sleep(PERIOD).await;
    }
}

/// The longest silence of a partition that was handled to the end of this time.
fn longest_gap(seen: &[(Instant, i32, u64)], from: Instant) -> Duration {
    let to = Instant::now();
    let mut times: BTreeMap<i32, Vec<Instant>> = BTreeMap::new();
    for (at, partition, _) in seen.iter().filter(|(at, ..)| *at >= from) {
        times.entry(*partition).or_insert_with(|| vec![from]).push(*at);
    }
    let kept = times.values().filter(|times| times.last().is_some_and(|last| to - *last < 10 * PERIOD));
    let gaps = kept.flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0]));
    gaps.max().unwrap_or_else(|| to - from)
}

#[faststream::test]
async fn refused_commits_stop_nobody() {
    let broker = MemoryBroker::new();
    broker.create_topic(TOPIC, PARTITIONS);
    let written = Arc::new(AtomicU64::new(0));
    let feeding = tokio::spawn(feed(broker.clone(), Arc::clone(&written)));
    let first = Member::start(&broker).await;
    until("the first delivers", || !first.all().is_empty()).await;
    sleep(Duration::from_secs(2)).await;

    let (mut gaps, mut newcomers, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for refused in [false, true] {
        broker.fail_commits(CommitClass::Transient, if refused { u32::MAX } else { 0 });
        let (from, before) = (Instant::now(), broker.committed(GROUP, TOPIC));
        let second = Member::start(&broker).await;
        until("the newcomer is assigned", || second.running.partitions() > 0).await;
        let assigned = Instant::now();
        until("the newcomer delivers", || !second.all().is_empty()).await;
        newcomers.push(assigned.elapsed());
        sleep(Duration::from_secs(3)).await;
        gaps.push(longest_gap(&first.all(), from));
        assert_eq!((first.running.partitions(), second.running.partitions()), (2, 2));
        let health = first.running.health();
        let told = health.reasons.iter().any(|reason| reason.contains("commits fail"));
        assert_eq!((told, broker.committed(GROUP, TOPIC) == before), (refused, refused), "{health:?}");
        broker.fail_commits(CommitClass::Transient, 0);
        sleep(Duration::from_secs(1)).await;
        all.extend(second.stop().await);
        until("the first has all again", || first.running.partitions() == 4).await;
    }
    assert!(gaps[1] <= gaps[0] + Duration::from_secs(1), "the kept partitions paused {gaps:?}");
    assert!(newcomers[1] <= Duration::from_secs(1), "the newcomer delivered after {newcomers:?}");

    feeding.abort();
    let written = written.load(SeqCst);
    let each = i64::try_from(written).expect("few") / i64::from(PARTITIONS);
    let ends: BTreeMap<_, _> = (0..PARTITIONS).map(|partition| (partition, each)).collect();
    until("all is committed", || broker.committed(GROUP, TOPIC) == ends).await;
    all.extend(first.stop().await);
    let ids: BTreeSet<u64> = all.into_iter().map(|(.., id)| id).collect();
    assert_eq!(ids.len() as u64, written, "lost");
}
