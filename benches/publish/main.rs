//! What publishing costs: `Publisher::send_all`, and `Publisher::enqueue` with 10,000 records on their way, against
//! rdkafka's `FutureProducer` with as many on their way.
//!
//! `cargo bench --bench publish`, on librdkafka's mock cluster; with `KAFKA_BROKERS` on real brokers. All sides encode the
//! same JSON, with the same settings, in turns. What was written is read back and checked. The last lines are the ratios
//! of the medians.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "../common/mod.rs"]
mod common;

use std::collections::VecDeque;
use std::env;
use std::sync::Mutex;

use common::cluster::{Cluster, PARTITIONS, PRODUCER};
use common::measure::{Figures, Watch, print, print_ratios};
use common::order::Order;
use common::written::Faults;
use faststream::{FastStream, HookContext, Publish, Publisher, subscriber};
use faststream_core::app::{Environment, LaunchOptions, StartOptions};
use faststream_core::broker::Receipt;
use faststream_kafka::Kafka;
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use tokio::sync::Notify;

/// Of one run on real brokers; the mock cluster keeps 5 MiB of a partition.
const MESSAGES: u64 = 600_000;
const MESSAGES_ON_MOCK: u64 = 150_000;
/// Of each side.
const RUNS: usize = 21;
/// Records on their way.
const WINDOW: usize = 10_000;

static WATCH: Watch = Watch::new();
/// The app's, once it has started.
static PUBLISHER: Mutex<Option<Publisher>> = Mutex::new(None);
static STARTED: Notify = Notify::const_new();

/// An app has a subscriber; this one gets nothing.
#[subscriber(topic = "${TOPIC}", group = "${GROUP}", start = Latest)]
async fn nothing(_order: Order) {}

fn publish(id: u64) -> Publish<Order> {
    let order = Order::new(id);
    let partition = order.partition();
    Publish::new(order).partition(partition)
}

async fn raw(cluster: &Cluster, out: &str) -> Figures {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &cluster.address);
    config.extend(PRODUCER.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let producer: FutureProducer = config.create().expect("a producer");
    // Connected, as the app is.
    let send = |id: u64| {
        let order = Order::new(id);
        let payload = serde_json::to_vec(&order).expect("JSON");
        let record = FutureRecord::<(), _>::to(out).payload(&payload).partition(order.partition());
        producer.send_result(record).map_err(|(error, _)| error).expect("room in the queue")
    };
    send(0).await.expect("an answer").expect("written");
    WATCH.begin();
    let mut window: VecDeque<DeliveryFuture> = VecDeque::with_capacity(WINDOW);
    for id in 1..cluster.messages {
        if window.len() == WINDOW {
            window.pop_front().expect("full").await.expect("an answer").expect("written");
        }
        window.push_back(send(id));
    }
    for confirmed in window {
        confirmed.await.expect("an answer").expect("written");
    }
    WATCH.end(cluster.messages);
    WATCH.take()
}

async fn enqueue(cluster: &Cluster, publisher: &Publisher, out: &str) -> Figures {
    publisher.send(out, publish(0)).await.expect("written");
    WATCH.begin();
    let mut window: VecDeque<Receipt> = VecDeque::with_capacity(WINDOW);
    for id in 1..cluster.messages {
        if window.len() == WINDOW {
            window.pop_front().expect("full").await.expect("written");
        }
        window.push_back(publisher.enqueue(out, publish(id)).expect("it can be encoded"));
    }
    for confirmed in window {
        confirmed.await.expect("written");
    }
    WATCH.end(cluster.messages);
    WATCH.take()
}

async fn send_all(cluster: &Cluster, publisher: &Publisher, out: &str) -> Figures {
    publisher.send(out, publish(0)).await.expect("written");
    WATCH.begin();
    for result in publisher.send_all(out, (1..cluster.messages).map(publish)).await {
        result.expect("written");
    }
    WATCH.end(cluster.messages);
    WATCH.take()
}

/// Many calls, one after the other: each waits for the last of its records.
async fn send_all_10000(cluster: &Cluster, publisher: &Publisher, out: &str) -> Figures {
    publisher.send(out, publish(0)).await.expect("written");
    WATCH.begin();
    for first in (1..cluster.messages).step_by(WINDOW) {
        let end = cluster.messages.min(first + WINDOW as u64);
        for result in publisher.send_all(out, (first..end).map(publish)).await {
            result.expect("written");
        }
    }
    WATCH.end(cluster.messages);
    WATCH.take()
}

/// All sides, in turns.
async fn measure(cluster: &Cluster, publisher: &Publisher) {
    let mut figures = [const { Vec::new() }; 4];
    let mut faults = Faults::default();
    for run in 0..RUNS {
        for (side, name) in ["raw window", "enqueue", "send_all", "send_all 10000"].into_iter().enumerate() {
            let out = cluster.topic(&format!("{side}-{run}")).await;
            let measured = match side {
                0 => raw(cluster, &out).await,
                1 => enqueue(cluster, publisher, &out).await,
                2 => send_all(cluster, publisher, &out).await,
                _ => send_all_10000(cluster, publisher, &out).await,
            };
            figures[side].push(measured);
            print(name, measured);
            faults.add(Faults::of(cluster, &out, cluster.messages));
        }
    }
    faults.print();
    let [raw, enqueue, all, all_10000] = figures;
    print_ratios("raw_of_enqueue", &enqueue, &raw);
    print_ratios("raw_of_send_all", &all, &raw);
    print_ratios("raw_of_send_all_10000", &all_10000, &raw);
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs this, too: nothing to test.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let messages = if env::var_os("KAFKA_BROKERS").is_some() { MESSAGES } else { MESSAGES_ON_MOCK };
    let cluster = Cluster::start(messages).await;
    println!("{messages} messages of 100 B, {PARTITIONS} partitions, {}", cluster.name());
    let idle = cluster.topic("quiet").await;
    let environment = Environment::only([("TOPIC", idle.as_str()), ("GROUP", idle.as_str())]);
    let setting = LaunchOptions { environment, ..LaunchOptions::default() };
    let app = FastStream::new(Kafka::new(&cluster.address)).name("publish").after_startup(
        |hook: HookContext| async move {
            *PUBLISHER.lock().expect("not poisoned") = hook.publisher();
            STARTED.notify_one();
        },
    );
    let plan = app.plan(setting).expect("nothing is wrong");
    let measured = async {
        STARTED.notified().await;
        let publisher = PUBLISHER.lock().expect("not poisoned").take().expect("a publisher");
        measure(&cluster, &publisher).await;
    };
    let exit = plan.run_until(StartOptions::default(), measured).await;
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
}
