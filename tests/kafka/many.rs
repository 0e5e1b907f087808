//! Many partitions without commits: each begins as soon as its own offset is known, however many there are.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use faststream::kafka::{Kafka as Client, KafkaConfig, Protocol};
use faststream::{Environment, FastStream, Metadata, Raw, State, subscriber};
use faststream_core::app::{LaunchOptions, StartOptions};
use faststream_kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use faststream_kafka::rdkafka::{ClientConfig, Message as _};

use crate::broker::Kafka;
use crate::client::{create_topics, produce, write_to_each};
use crate::members::{Group, PROTOCOLS, RUNTIME};
use crate::mock::Cluster;
use crate::wait::{PATIENCE, wait_quickly, wait_until};

const PARTITIONS: i32 = 1_000;

/// What a client needs that reads the same topic by hand.
fn by_hand(group: &Group) -> Duration {
    let protocol = if group.protocol == Protocol::Consumer { "consumer" } else { "classic" };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &group.brokers)
        .set("group.id", format!("{}-by-hand", group.name))
        .set("group.protocol", protocol)
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    let began = Instant::now();
    consumer.subscribe(&[&group.name]).expect("a topic");
    let mut seen = BTreeSet::new();
    wait_until("the client by hand has begun everywhere", PATIENCE, || {
        while let Some(record) = consumer.poll(Duration::from_millis(20)) {
            seen.insert(record.expect("a record").partition());
        }
        seen.len() == PARTITIONS as usize
    });
    began.elapsed()
}

/// Each question costs 20 ms: 20 s, if they were asked one by one.
#[test]
fn a_thousand_partitions_of_a_broker_far_away_begin_together() {
    const ROUND_TRIP: Duration = Duration::from_millis(20);
    thread::scope(|scope| {
        for protocol in PROTOCOLS {
            scope.spawn(move || {
                let cluster = Cluster::new(1);
                let name = format!("far-{protocol:?}");
                cluster.create_topic(&name, PARTITIONS);
                let group = Group::new(&cluster.address(), &name, protocol, PARTITIONS);
                let records = PARTITIONS as u64;
                produce(&group.brokers, &name, PARTITIONS, 0, records, |id| format!(r#"{{"id":{id}}}"#));
                cluster.round_trip(ROUND_TRIP);
                let by_hand = by_hand(&group);
                let began = Instant::now();
                let member = group.join();
                wait_quickly(&format!("{name}: all are handled"), || member.count() as u64 >= records);
                let took = began.elapsed();
                println!("{name}: all {PARTITIONS} partitions began within {took:?}, by hand {by_hand:?}");
                assert!(took < by_hand + Duration::from_secs(5), "{name}: {took:?}, by hand {by_hand:?}");
                member.stop_cleanly(&name);
            });
        }
    });
}

/// The partitions that a member has begun with.
#[derive(Default)]
struct Begun(Mutex<BTreeSet<(String, i32)>>);

#[subscriber(pattern = "^fresh-", group = "${GROUP}")]
async fn begin(_record: Raw, metadata: Metadata, State(begun): State<Begun>) {
    begun.0.lock().expect("not poisoned").insert((metadata.topic.to_string(), metadata.partition));
}

/// Some are there when the group starts, the others are made while it runs.
#[test]
#[ignore = "needs Java and Maven"]
fn a_hundred_new_topics_of_ten_partitions_begin_together() {
    const TOPICS: usize = 100;
    const EACH: i32 = 10;
    let kafka = Kafka::start("fresh");
    let write = |from: usize, to: usize| {
        let topics: Vec<_> = (from..to).map(|number| format!("fresh-{number}")).collect();
        create_topics(&kafka.address(), &topics, EACH);
        write_to_each(&kafka.address(), &topics, EACH);
    };
    write(0, TOPICS);
    for (turn, protocol) in PROTOCOLS.into_iter().enumerate() {
        let group = format!("fresh-{protocol:?}");
        let app = FastStream::new(Client::with(KafkaConfig::new(kafka.address()).protocol(protocol)))
            .name(&group)
            .module(module_path!())
            .state(Begun::default());
        let environment = Environment::only([("GROUP", &group)]);
        let plan = app.plan(LaunchOptions { environment, ..LaunchOptions::default() }).expect("a right app");
        let seen = plan.state::<Begun>().expect("given above");
        let count = || seen.0.lock().expect("not poisoned").len();
        let there = (TOPICS + turn * TOPICS / 10) * EACH as usize;
        let start = Instant::now();
        let mut running = RUNTIME.block_on(plan.start(StartOptions::default())).expect("it starts");
        wait_quickly(&format!("{group}: all {there} partitions begin ({})", count()), || count() == there);
        println!("{group}: {there} partitions began within {:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(10), "{group}: {:?}", start.elapsed());
        let from = TOPICS + turn * TOPICS / 10;
        write(from, from + TOPICS / 10);
        let start = Instant::now();
        let all = there + TOPICS / 10 * EACH as usize;
        wait_until(&format!("{group}: what is made later begins"), PATIENCE, || count() == all);
        println!(
            "{group}: {} partitions that were made later began within {:?}",
            all - there,
            start.elapsed()
        );
        running.shutdown();
        let exit = RUNTIME.block_on(async { tokio::time::timeout(PATIENCE, running.ended()).await });
        assert_eq!(exit.expect("it ends").code, 0, "{group}");
    }
}
