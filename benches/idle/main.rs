//! What a service costs that has nothing to do: CPU time of all its threads, against the loop that one writes by hand with
//! rdkafka's `StreamConsumer` and `FutureProducer`.
//!
//! `cargo bench --bench idle`, on librdkafka's mock cluster; with `KAFKA_BROKERS` on real brokers. Both sides belong to a
//! group, have partitions, and wait, with their default settings, in turns. The mock cluster runs in this process: its brokers'
//! thread is not counted, nor what the process needs without clients, which is measured first.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "../common/mod.rs"]
mod common;

use std::env;
use std::time::{Duration, Instant};

use common::cluster::{Cluster, PARTITIONS, PRODUCER};
use common::measure::{client_nanoseconds, median};
use common::order::Order;
use faststream::{FastStream, Publish, publisher, subscriber};
use faststream_core::app::{Environment, LaunchOptions, StartOptions};
use faststream_kafka::Kafka;
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::consumer::{Consumer, StreamConsumer};
use faststream_kafka::rdkafka::producer::FutureProducer;
use tokio::time::sleep;

/// Of each side.
const RUNS: usize = 3;
/// Until a side has its partitions and is at rest.
const SETTLE: Duration = Duration::from_secs(4);
/// How long it is measured.
const TIME: Duration = Duration::from_secs(5);

#[subscriber(topic = "${TOPIC}", group = "${GROUP}")]
#[publisher(topic = "${TOPIC}-out")]
async fn bill(order: Order) -> Publish<Order> {
    Publish::new(order)
}

/// Percent of a core.
async fn at_rest() -> f64 {
    sleep(SETTLE).await;
    let (began, before) = (Instant::now(), client_nanoseconds());
    sleep(TIME).await;
    let used = Duration::from_nanos(client_nanoseconds().saturating_sub(before));
    100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64()
}

async fn by_hand(cluster: &Cluster, group: &str) -> f64 {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &cluster.address);
    let mut producing = config.clone();
    producing.extend(PRODUCER.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config.set("group.id", group).set("group.protocol", "consumer");
    let _producer: FutureProducer = producing.create().expect("a producer");
    let consumer: StreamConsumer = config.create().expect("a consumer");
    consumer.subscribe(&[&cluster.topic]).expect("subscribed");
    tokio::select! {
        biased;
        used = at_rest() => used,
        message = consumer.recv() => panic!("nothing comes: {message:?}"),
    }
}

async fn service(cluster: &Cluster, group: &str) -> f64 {
    let kafka = Kafka::new(&cluster.address).property("group.protocol", "consumer");
    let environment = Environment::only([("TOPIC", cluster.topic.as_str()), ("GROUP", group)]);
    let setting = LaunchOptions { environment, ..LaunchOptions::default() };
    let plan = FastStream::new(kafka).name("idle").plan(setting).expect("nothing is wrong");
    let mut used = 0.0;
    let measured = async { used = at_rest().await };
    let exit = plan.run_until(StartOptions::default(), measured).await;
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
    used
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs this, too: nothing to test.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let cluster = Cluster::start(0).await;
    println!("nothing to do, {PARTITIONS} partitions, {}", cluster.name());
    let alone = at_rest().await;
    println!("{:<16} {alone:>6.2} % of a core", "nobody");
    let (mut hand, mut ours) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        hand.push(by_hand(&cluster, &format!("{}-by-hand-{run}", cluster.topic)).await - alone);
        println!("{:<16} {:>6.2} % of a core", "by hand", hand[run]);
        ours.push(service(&cluster, &format!("{}-service-{run}", cluster.topic)).await - alone);
        println!("{:<16} {:>6.2} % of a core", "faststream", ours[run]);
    }
    let (hand, ours) = (median(hand), median(ours));
    println!("idle_by_hand {hand:.2} %");
    println!("idle_faststream {ours:.2} %");
}
