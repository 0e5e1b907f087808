//! A broker that answers nothing for longer than the producer waits: results, retries and dead letters stay in order, and
//! none is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use faststream::kafka::Kafka as Broker;
use faststream::{FastStream, Metadata, publisher, subscriber};
use faststream_core::app::{Environment, LaunchOptions, StartOptions};
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::behind_proxy::in_full;
use crate::broker::Kafka;
use crate::client::{create_topic, produce, read};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);
const RECORDS: u64 = 3_000;
/// One in so many is bad, where some are.
const BAD: u64 = 10;
const KEYS: u64 = 7;

#[subscriber(topic = "outage-source", group = "outage")]
#[publisher(topic = "outage-results", key = |_: &u64| "k")]
async fn echo(number: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    number
}

#[subscriber(topic = "outage-keys", group = "outage-keys", order = Key, concurrency = 16)]
#[publisher(topic = "outage-keys-results", key = |number: &u64| (number % KEYS).to_string())]
async fn by_key(number: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(10 + number % 5)).await;
    number
}

fn judge(number: u64) -> Result<(), String> {
    if number.is_multiple_of(BAD) { Err("bad".into()) } else { Ok(()) }
}

#[subscriber(topic = "outage-bad", group = "outage-bad", retry(attempts = 1), on_error = DeadLetter)]
async fn bad(number: u64) -> Result<(), String> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    judge(number)
}

/// Only the first attempt fails: the guard would stop a partition of nothing but dead letters.
#[subscriber(topic = "outage-later", group = "later", retry(attempts = 1, topics = ["2s"]), on_error = DeadLetter)]
async fn later(number: u64, metadata: Metadata) -> Result<(), String> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    if metadata.attempt == 1 { judge(number) } else { Ok(()) }
}

const SOURCES: [&str; 3] = ["outage-source", "outage-bad", "outage-later"];

/// Where it ends, how many of them, and whether each key is in order or all are.
const ENDS: [(&str, u64, bool); 4] = [
    ("outage-results", RECORDS, false),
    ("outage-keys-results", RECORDS, true),
    ("outage-bad-dlt", RECORDS / BAD, false),
    ("outage-later-later-retry-2s", RECORDS / BAD, false),
];

fn numbers(brokers: &str, topic: &str) -> Vec<u64> {
    let number = |payload: Vec<u8>| String::from_utf8_lossy(&payload).parse().expect("a number");
    read(brokers, topic, 1).into_iter().map(number).collect()
}

fn produce_with_keys(brokers: &str, topic: &str) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a producer");
    for number in 0..RECORDS {
        let (key, payload) = ((number % KEYS).to_string(), number.to_string());
        producer
            .send(BaseRecord::to(topic).key(&key).payload(&payload))
            .map_err(|(error, _)| error)
            .expect("queued");
    }
    producer.flush(LIMIT).expect("all are written");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and Maven"]
async fn results_stay_in_order_while_a_broker_answers_nothing_for_longer_than_a_record_may_take() {
    // Three times as long as a record may be on its way; or five times.
    let outage = Duration::from_secs(if in_full() { 15 } else { 9 });
    let kafka = Kafka::start("outage");
    let brokers = kafka.address();
    for topic in SOURCES.into_iter().chain(["outage-keys"]).chain(ENDS.map(|(topic, ..)| topic)) {
        create_topic(&brokers, topic, 1);
    }
    for topic in SOURCES {
        produce(&brokers, topic, 1, 0, RECORDS, |number| number.to_string());
    }
    produce_with_keys(&brokers, "outage-keys");
    let backend = Broker::new(&brokers).property("message.timeout.ms", "3000");
    let setting =
        LaunchOptions { environment: Environment::only::<&str, &str>([]), ..LaunchOptions::default() };
    let app = FastStream::new(backend).name("outage").module(module_path!());
    let plan = app.plan(setting).expect("nothing is wrong");
    let mut written = Vec::new();
    let mut broker = None;
    let is_done = async {
        let outage = move || {
            let brokers = kafka.address();
            wait_until("the first results", LIMIT, || {
                ENDS.iter().all(|(topic, ..)| numbers(&brokers, topic).len() >= 5)
            });
            kafka.freeze();
            // Nothing to wait for: what is tested is that it lasts.
            std::thread::sleep(outage);
            kafka.thaw();
            for (topic, count, _) in ENDS {
                let all =
                    || numbers(&brokers, topic).into_iter().collect::<BTreeSet<_>>().len() as u64 == count;
                wait_until(&format!("all of {topic}"), LIMIT, all);
            }
            (ENDS.map(|(topic, ..)| numbers(&brokers, topic)), kafka)
        };
        let (all, kafka) = tokio::task::spawn_blocking(outage).await.expect("all come");
        // It is still there when the app stops.
        (written, broker) = (all.to_vec(), Some(kafka));
    };
    let exit = plan.run_until(StartOptions::default(), is_done).await;
    drop(broker);
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
    for ((topic, count, by_key), numbers) in ENDS.into_iter().zip(written) {
        println!("{topic}: {} more than once", numbers.len() as u64 - count);
        let (mut last, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for number in numbers {
            if seen.insert(number) {
                let before = last.insert(if by_key { number % KEYS } else { 0 }, number);
                assert!(
                    before.is_none_or(|before| before < number),
                    "{topic}: {number} comes behind {before:?}"
                );
            }
        }
    }
}
