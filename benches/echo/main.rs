//! What consuming and publishing costs: a service with a `#[publisher]` against the loop that one writes by hand with
//! rdkafka's `StreamConsumer` and `FutureProducer`, with 10,000 records on their way at a time.
//!
//! `cargo bench --bench echo`, on librdkafka's mock cluster; with `KAFKA_BROKERS` on real brokers. Both sides decode and
//! encode the same JSON, and store an offset once its record is confirmed, with the same settings, in turns. What was
//! written is read back and checked. The last lines are the ratios of the medians.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "../common/mod.rs"]
mod common;

use std::collections::VecDeque;
use std::env;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use common::cluster::{Cluster, PARTITIONS, PRODUCER};
use common::measure::{Figures, Watch, print, print_ratios};
use common::order::Order;
use common::written::Faults;
use faststream::{FastStream, Publish, publisher, subscriber};
use faststream_core::app::{Environment, LaunchOptions, StartOptions};
use faststream_kafka::Kafka;
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use faststream_kafka::rdkafka::message::{BorrowedMessage, Message};
use faststream_kafka::rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use tokio::sync::Notify;

/// Of one run on real brokers; the mock cluster keeps 5 MiB of a partition.
const MESSAGES: u64 = 600_000;
const MESSAGES_ON_MOCK: u64 = 150_000;
/// Of each side.
const RUNS: usize = 7;
/// Records on their way, by hand.
const WINDOW: usize = 10_000;

static HANDLED: AtomicU64 = AtomicU64::new(0);
/// Of the run that goes on.
static TOTAL: AtomicU64 = AtomicU64::new(0);
static WATCH: Watch = Watch::new();
static ALL_HANDLED: Notify = Notify::const_new();

/// What both sides do with an order.
#[subscriber(topic = "${TOPIC}", group = "${GROUP}")]
#[publisher(topic = "${OUT}")]
async fn bill(order: Order) -> Publish<Order> {
    let handled = HANDLED.fetch_add(1, Relaxed) + 1;
    if handled == 1 {
        WATCH.begin();
    }
    if handled == TOTAL.load(Relaxed) {
        ALL_HANDLED.notify_one();
    }
    let partition = order.partition();
    Publish::new(order).partition(partition)
}

/// The loop that one writes by hand.
async fn by_hand(cluster: &Cluster, group: &str, out: &str) -> Figures {
    HANDLED.store(0, Relaxed);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &cluster.address);
    let mut producing = config.clone();
    producing.extend(PRODUCER.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.auto.offset.store", "false");
    config.extend(cluster.settings().into_iter().map(|(name, value)| (name.to_owned(), value)));
    let consumer: StreamConsumer = config.create().expect("a consumer");
    let producer: FutureProducer = producing.create().expect("a producer");
    consumer.subscribe(&[&cluster.topic]).expect("subscribed");
    let mut window: VecDeque<(BorrowedMessage<'_>, DeliveryFuture)> = VecDeque::with_capacity(WINDOW);
    while HANDLED.load(Relaxed) < cluster.messages {
        let message = consumer.recv().await.expect("a message");
        let order: Order = serde_json::from_slice(message.payload().expect("a payload")).expect("an order");
        if HANDLED.fetch_add(1, Relaxed) == 0 {
            WATCH.begin();
        }
        let result = serde_json::to_vec(&order).expect("JSON");
        let record = FutureRecord::<(), _>::to(out).payload(&result).partition(order.partition());
        let confirmed = producer.send_result(record).map_err(|(error, _)| error).expect("room in the queue");
        if window.len() == WINDOW {
            confirm(&consumer, window.pop_front()).await;
        }
        window.push_back((message, confirmed));
    }
    while !window.is_empty() {
        confirm(&consumer, window.pop_front()).await;
    }
    WATCH.end(cluster.messages);
    consumer.commit_consumer_state(CommitMode::Sync).expect("committed");
    WATCH.take()
}

async fn confirm(consumer: &StreamConsumer, first: Option<(BorrowedMessage<'_>, DeliveryFuture)>) {
    let Some((message, confirmed)) = first else { return };
    confirmed.await.expect("an answer").expect("written");
    consumer.store_offset_from_message(&message).expect("stored");
}

/// A service: the handler above, and nothing else.
async fn pipeline(cluster: &Cluster, group: &str, out: &str) -> Figures {
    HANDLED.store(0, Relaxed);
    let mut kafka = Kafka::new(&cluster.address);
    for (name, value) in cluster.settings() {
        kafka = kafka.property(name, value);
    }
    let environment = Environment::only([("TOPIC", cluster.topic.as_str()), ("GROUP", group), ("OUT", out)]);
    let setting = LaunchOptions { environment, ..LaunchOptions::default() };
    let plan = FastStream::new(kafka).name("echo").plan(setting).expect("nothing is wrong");
    let written = cluster.look_at(out);
    let is_done = async {
        ALL_HANDLED.notified().await;
        // The last results are still on their way.
        written.wait_for(cluster.messages);
        WATCH.end(cluster.messages);
    };
    let exit = plan.run_until(StartOptions::default(), is_done).await;
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
    WATCH.take()
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs this, too: nothing to test.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let messages = if env::var_os("KAFKA_BROKERS").is_some() { MESSAGES } else { MESSAGES_ON_MOCK };
    TOTAL.store(messages, Relaxed);
    let cluster = Cluster::start(messages).await;
    println!("{messages} messages of 100 B in and out, {PARTITIONS} partitions, {}", cluster.name());
    let (mut hand, mut service) = (Vec::new(), Vec::new());
    let mut faults = Faults::default();
    for run in 0..RUNS {
        let out = cluster.topic(&format!("by-hand-{run}")).await;
        hand.push(by_hand(&cluster, &out, &out).await);
        print("by hand", hand[run]);
        faults.add(Faults::of(&cluster, &out, messages));
        let out = cluster.topic(&format!("service-{run}")).await;
        service.push(pipeline(&cluster, &out, &out).await);
        print("faststream", service[run]);
        faults.add(Faults::of(&cluster, &out, messages));
    }
    faults.print();
    print_ratios("raw", &service, &hand);
}
