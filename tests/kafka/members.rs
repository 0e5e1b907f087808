//! Members of a group in this process, and somebody who writes what they read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::{Kafka, KafkaConfig, Protocol};
use faststream::{Environment, Exit, FastStream, GroupSettings, Metadata, State, subscriber};
use faststream_core::app::{LaunchOptions, Running, StartOptions};
use faststream_kafka::rdkafka::client::ClientContext;
use faststream_kafka::rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext,
};
use faststream_kafka::rdkafka::{ClientConfig, Message};
use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::client::{committed, ends};
use crate::wait::{PATIENCE, wait_quickly, wait_until};

/// The session of members, here (classic protocol) and at the broker (KIP-848).
pub(crate) const SESSION: Duration = Duration::from_secs(6);
pub(crate) const PROTOCOLS: [Protocol; 3] = [Protocol::Range, Protocol::Cooperative, Protocol::Consumer];

/// Where the members run.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads")
});

#[derive(Deserialize)]
struct Tick {
    id: u64,
}

/// One call of the handler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handled {
    pub(crate) at: Instant,
    pub(crate) partition: i32,
    pub(crate) id: u64,
}

/// What one member handled, and how long each call takes.
#[derive(Default)]
struct Seen(Mutex<Vec<Handled>>, Duration);

#[subscriber(topic = "${TOPIC}", group = "${GROUP}", enabled = "${EARLIEST}")]
async fn tick(tick: Tick, metadata: Metadata, seen: State<Seen>) {
    note(tick, metadata, seen).await;
}

#[subscriber(topic = "${TOPIC}", group = "${GROUP}", enabled = "${LATEST}", start = Latest)]
async fn tick_from_the_end(tick: Tick, metadata: Metadata, seen: State<Seen>) {
    note(tick, metadata, seen).await;
}

async fn note(tick: Tick, metadata: Metadata, State(seen): State<Seen>) {
    let handled = Handled { at: Instant::now(), partition: metadata.partition, id: tick.id };
    seen.0.lock().expect("not poisoned").push(handled);
    if !seen.1.is_zero() {
        tokio::time::sleep(seen.1).await;
    }
}

/// Who reads what, and how.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) brokers: String,
    /// Names the topic and the group.
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) partitions: i32,
    pub(crate) settings: GroupSettings,
    /// How long each call takes.
    pub(crate) slow: Duration,
    /// Whether it begins at the end.
    pub(crate) latest: bool,
    pub(crate) properties: Vec<(&'static str, String)>,
}

impl Group {
    pub(crate) fn new(brokers: &str, name: &str, protocol: Protocol, partitions: i32) -> Self {
        let mut properties = Vec::new();
        if protocol != Protocol::Consumer {
            properties.push(("session.timeout.ms", SESSION.as_millis().to_string()));
        }
        let settings = GroupSettings::new();
        Self {
            brokers: brokers.to_owned(),
            name: name.to_owned(),
            protocol,
            partitions,
            settings,
            slow: Duration::ZERO,
            latest: false,
            properties,
        }
    }

    pub(crate) fn property(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.properties.retain(|(known, _)| *known != name);
        self.properties.push((name, value.into()));
        self
    }

    /// A member that has joined, or is about to.
    pub(crate) fn join(&self) -> Member {
        let mut config = KafkaConfig::new(&self.brokers).protocol(self.protocol);
        for (name, value) in &self.properties {
            config = config.property(name, value);
        }
        let app = FastStream::new(Kafka::with(config))
            .name(&self.name)
            .module(module_path!())
            .group_settings(self.settings.clone())
            .state(Seen(Mutex::default(), self.slow));
        let (earliest, latest) = ((!self.latest).to_string(), self.latest.to_string());
        let name = &self.name;
        let environment = Environment::only([
            ("TOPIC", name),
            ("GROUP", name),
            ("EARLIEST", &earliest),
            ("LATEST", &latest),
        ]);
        let plan = app.plan(LaunchOptions { environment, ..LaunchOptions::default() }).expect("a right app");
        let seen = plan.state().expect("given above");
        let running = RUNTIME.block_on(plan.start(StartOptions::default())).expect("it starts");
        Member { running, seen }
    }

    pub(crate) fn committed(&self) -> BTreeMap<i32, i64> {
        committed(&self.brokers, &self.name, &self.name, self.partitions)
    }

    /// Waits until everything that was written is committed.
    pub(crate) fn all_is_committed(&self, what: &str) {
        let ends = ends(&self.brokers, &self.name, self.partitions);
        wait_until(&format!("{what}: all is committed ({ends:?})"), PATIENCE, || self.committed() == ends);
    }
}

pub(crate) struct Member {
    pub(crate) running: Running,
    seen: Arc<Seen>,
}

impl Member {
    pub(crate) fn all(&self) -> Vec<Handled> {
        self.seen.0.lock().expect("not poisoned").clone()
    }

    /// Forgets what was handled so far.
    pub(crate) fn forget(&self) {
        *self.seen.0.lock().expect("not poisoned") = Vec::new();
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.0.lock().expect("not poisoned").len()
    }

    /// When the first record was handled since then.
    pub(crate) fn first_since(&self, what: &str, since: Instant) -> Instant {
        self.first_where(what, |handled| handled.at >= since)
    }

    /// When the first record of this partition was handled since then.
    pub(crate) fn first_of_since(&self, what: &str, partition: i32, since: Instant) -> Instant {
        self.first_where(what, |handled| handled.partition == partition && handled.at >= since)
    }

    fn first_where(&self, what: &str, fits: impl Fn(&Handled) -> bool) -> Instant {
        let find = || {
            let seen = self.seen.0.lock().expect("not poisoned");
            seen.iter().find(|handled| fits(handled)).map(|handled| handled.at)
        };
        let mut found = None;
        wait_quickly(&format!("{what}: something is handled"), || {
            found = find();
            found.is_some()
        });
        found.expect("awaited above")
    }

    pub(crate) fn owns(&self, what: &str, partitions: usize) {
        wait_quickly(&format!("{what}: it has {partitions} partitions"), || {
            self.running.partitions() == partitions
        });
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ends(&mut self) -> Exit {
        let ended = async { tokio::time::timeout(PATIENCE, self.running.ended()).await };
        RUNTIME.block_on(ended).expect("it ends")
    }

    /// Stops it; everything it handled, how it ended, and how long that took.
    pub(crate) fn stop(mut self) -> (Vec<Handled>, Exit, Duration) {
        let began = Instant::now();
        self.running.shutdown();
        let exit = self.ends();
        (self.all(), exit, began.elapsed())
    }

    /// Stops it; it has to end well.
    pub(crate) fn stop_cleanly(self, what: &str) -> Vec<Handled> {
        let (all, exit, took) = self.stop();
        assert_eq!(exit.code, 0, "{what}: {:?}", exit.messages);
        assert!(took < Duration::from_secs(7), "{what}: the stop took {took:?}");
        all
    }
}

/// Nothing of what was written is missing; how often records were handled again.
pub(crate) fn none_is_lost(what: &str, all: &[Handled], written: u64) -> usize {
    let ids: BTreeSet<u64> = all.iter().map(|handled| handled.id).collect();
    let missing: Vec<u64> = (0..written).filter(|id| !ids.contains(id)).take(10).collect();
    assert!(missing.is_empty(), "{what}: lost of {written}: {missing:?}");
    all.len() - ids.len()
}

/// The longest silence, in this time, of a partition that is still handled at its end.
pub(crate) fn longest_gap(seen: &[Handled], from: Instant, to: Instant) -> Duration {
    let mut last: BTreeMap<i32, Instant> = BTreeMap::new();
    let mut longest: BTreeMap<i32, Duration> = BTreeMap::new();
    for handled in seen.iter().filter(|handled| (from..=to).contains(&handled.at)) {
        let before = last.insert(handled.partition, handled.at).unwrap_or(from);
        let gap = longest.entry(handled.partition).or_default();
        *gap = (*gap).max(handled.at - before);
    }
    let kept = longest.iter().filter(|(partition, _)| to - last[*partition] < Duration::from_millis(500));
    kept.map(|(_, gap)| *gap).max().unwrap_or_else(|| to - from)
}

/// What is not written is a fault of the test, not a loss.
#[derive(Default)]
struct Deliveries {
    refused: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = delivered {
            let text = format!("{error}, partition {}", message.partition());
            self.refused.lock().expect("not poisoned").get_or_insert(text);
        }
    }
}

/// Writes `{"id":n}` at a steady rate, round robin over the partitions, until told to stop.
pub(crate) struct Feed {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Feed {
    /// `rate` is per second, over all partitions.
    pub(crate) fn start(group: &Group, rate: u64) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let producer: BaseProducer<Deliveries> = ClientConfig::new()
            .set("bootstrap.servers", &group.brokers)
            .set("linger.ms", "2")
            .set("enable.idempotence", "true")
            .set("queue.buffering.max.messages", "1000000")
            .create_with_context(Deliveries::default())
            .expect("a producer");
        let (topic, partitions) = (group.name.clone(), group.partitions);
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&written));
        let run = move || {
            let began = Instant::now();
            let each = u64::try_from(partitions).expect("some");
            while !stopped.load(SeqCst) {
                let due = u64::try_from(began.elapsed().as_millis()).expect("a short test") * rate / 1_000;
                // Whole rounds, so that every partition goes on.
                for id in count.load(SeqCst)..due / each * each {
                    let partition = i32::try_from(id % each).expect("a partition");
                    let text = format!(r#"{{"id":{id}}}"#);
                    let record = BaseRecord::<(), String>::to(&topic).partition(partition).payload(&text);
                    producer.send(record).map_err(|(error, _)| error).expect("it is queued");
                    count.store(id + 1, SeqCst);
                }
                producer.poll(Duration::from_millis(20));
            }
            producer.flush(Duration::from_secs(60)).expect("all is written");
            let refused = producer.context().refused.lock().expect("not poisoned").take();
            assert_eq!(refused, None, "a record was not written");
        };
        Self { stop, written, thread: Some(thread::spawn(run)) }
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(SeqCst)
    }

    /// How much was written.
    pub(crate) fn finish(mut self) -> u64 {
        self.end();
        self.written()
    }

    fn end(&mut self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let written = thread.join();
            assert!(written.is_ok() || thread::panicking(), "not all was written");
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
    }
}
