//! What consuming costs: the whole pipeline against the loop that one writes by hand with rdkafka's `StreamConsumer`.
//!
//! `cargo bench --bench consume`, on librdkafka's mock cluster; with `KAFKA_BROKERS` on real brokers. Both sides decode
//! the same JSON, call the same handler and store the offset, with the same settings, in turns. The last line is the
//! ratio of the medians.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "../common/mod.rs"]
mod common;

use std::env;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use common::cluster::{Cluster, PARTITIONS};
use common::measure::{Figures, Watch, print, print_ratios};
use common::order::Order;
use faststream::{FastStream, subscriber};
use faststream_core::app::{Environment, LaunchOptions, StartOptions};
use faststream_kafka::Kafka;
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use faststream_kafka::rdkafka::message::Message;

/// Of one run.
const MESSAGES: u64 = 1_000_000;
/// Of each side.
const RUNS: usize = 7;

static HANDLED: AtomicU64 = AtomicU64::new(0);
static WATCH: Watch = Watch::new();

/// What both sides do with an order.
#[subscriber(topic = "${TOPIC}", group = "${GROUP}")]
async fn bill(order: Order) {
    assert!(order.ok && order.amount > 0.0 && !order.user.is_empty() && order.id < MESSAGES);
    let handled = HANDLED.fetch_add(1, Relaxed) + 1;
    if handled == 1 {
        WATCH.begin();
    }
    if handled == MESSAGES {
        WATCH.end(MESSAGES);
    }
}

/// The loop that one writes by hand.
async fn by_hand(cluster: &Cluster, group: &str) -> Figures {
    HANDLED.store(0, Relaxed);
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &cluster.address)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.auto.offset.store", "false");
    for (name, value) in cluster.settings() {
        config.set(name, value);
    }
    let consumer: StreamConsumer = config.create().expect("a consumer");
    consumer.subscribe(&[&cluster.topic]).expect("subscribed");
    while HANDLED.load(Relaxed) < MESSAGES {
        let message = consumer.recv().await.expect("a message");
        let payload = message.payload().expect("a payload");
        let order: Order = serde_json::from_slice(payload).expect("an order");
        bill(order).await;
        consumer.store_offset_from_message(&message).expect("stored");
    }
    consumer.commit_consumer_state(CommitMode::Sync).expect("committed");
    WATCH.done.notified().await;
    WATCH.take()
}

/// A service: the handler above, and nothing else.
async fn pipeline(cluster: &Cluster, group: &str) -> Figures {
    HANDLED.store(0, Relaxed);
    let mut kafka = Kafka::new(&cluster.address);
    for (name, value) in cluster.settings() {
        kafka = kafka.property(name, value);
    }
    let environment = Environment::only([("TOPIC", cluster.topic.as_str()), ("GROUP", group)]);
    let setting = LaunchOptions { environment, ..LaunchOptions::default() };
    let plan = FastStream::new(kafka).name("consume").plan(setting).expect("nothing is wrong");
    let exit = plan.run_until(StartOptions::default(), WATCH.done.notified()).await;
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
    WATCH.take()
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs this, too: nothing to test.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let cluster = Cluster::start(MESSAGES).await;
    println!("{MESSAGES} messages of 100 B, {} partitions, {}", PARTITIONS, cluster.name());
    let (mut hand, mut service) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        hand.push(by_hand(&cluster, &format!("{}-by-hand-{run}", cluster.topic)).await);
        print("recv loop", hand[run]);
        service.push(pipeline(&cluster, &format!("{}-pipeline-{run}", cluster.topic)).await);
        print("faststream", service[run]);
    }
    print_ratios("recv_loop", &service, &hand);
}
