//! The topics that a service writes to, and the addresses that it is told: looked at before it says that it has started.

use std::time::Duration;

use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use faststream_kafka::rdkafka::client::DefaultClientContext;
use faststream_kafka::rdkafka::consumer::{BaseConsumer, Consumer};

use crate::broker::{Kafka, free_port};
use crate::client::{create_topic, delete_topic, produce, records};
use crate::service::Service;
use crate::wait::wait_until;

const SOURCE: &str = "charges";
const FIRST: &str = "charges-payments-retry-2s";
const SECOND: &str = "charges-payments-retry-5s";
const DEAD: &str = "charges-dlt";
const LIMIT: Duration = Duration::from_secs(60);

fn configure(brokers: &str, topic: &str, key: &str, value: &str) {
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
    let altered =
        administer(brokers, async |admin| admin.alter_configs([&change], &AdminOptions::new()).await);
    assert!(altered.expect("an answer").iter().all(Result::is_ok));
}

fn setting(brokers: &str, topic: &str, key: &str) -> Option<String> {
    let resource = ResourceSpecifier::Topic(topic);
    let asked =
        administer(brokers, async |admin| admin.describe_configs([&resource], &AdminOptions::new()).await);
    let topic = asked.expect("an answer").into_iter().next()?.ok()?;
    topic.get(key)?.value.clone()
}

fn administer<T>(brokers: &str, work: impl AsyncFnOnce(&AdminClient<DefaultClientContext>) -> T) -> T {
    let admin = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work(&admin))
}

fn partitions(brokers: &str, topic: &str) -> usize {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "x")
        .create()
        .expect("a client");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("metadata");
    metadata.topics()[0].partitions().len()
}

/// Fails once, then the bank answers.
fn charge(id: u64) -> String {
    format!(r#"{{"id":{id},"answers_at":2}}"#)
}

#[test]
#[ignore = "needs Java and Maven"]
fn topics_that_would_lose_copies_are_start_faults_and_what_is_deleted_is_made_again() {
    let cluster = Kafka::start_cluster_with("provided", 1, "auto.create.topics.enable=false");
    let brokers = cluster[0].address();
    create_topic(&brokers, SOURCE, 3);
    create_topic(&brokers, FIRST, 3);
    create_topic(&brokers, DEAD, 3);
    configure(&brokers, FIRST, "retention.ms", "3000");
    configure(&brokers, DEAD, "cleanup.policy", "compact");
    let start = |log: &str| Service::start_example("retry_topics", &brokers, log, &[], &[]);

    let mut service = start("provided-unfit");
    service.logs(LIMIT, &[FIRST, "keeps records for 3 s only (`retention.ms=3000`)", "wait there for 2 s"]);
    service.logs(LIMIT, &[DEAD, "is compacted"]);
    assert_eq!(service.ends().code(), Some(1));

    configure(&brokers, FIRST, "retention.ms", "604800000");
    configure(&brokers, DEAD, "cleanup.policy", "delete");
    let service = start("provided-fit");
    service.logs(LIMIT, &["its results go to `receipts`, which does not exist"]);
    service.logs(LIMIT, &["INFO started"]);
    assert_eq!(setting(&brokers, SECOND, "retention.ms").as_deref(), Some("604800000"));
    assert_eq!(setting(&brokers, SECOND, "cleanup.policy").as_deref(), Some("delete"));

    create_topic(&brokers, "receipts", 1);
    for topic in [FIRST, DEAD] {
        delete_topic(&brokers, topic);
    }
    wait_until("they are made again", Duration::from_secs(20), || {
        [FIRST, DEAD].iter().all(|topic| partitions(&brokers, topic) == 3)
    });
    assert_eq!(setting(&brokers, FIRST, "retention.ms").as_deref(), Some("604800000"));
    service.logs(LIMIT, &[FIRST, "was deleted, and is made again"]);
    produce(&brokers, SOURCE, 3, 0, 12, charge);
    wait_until("all have come through it", LIMIT, || records(&brokers, "receipts", 1).len() >= 12);
    assert_eq!(service.terminate().code(), Some(0));
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_topic_that_the_broker_makes_again_smaller_gets_its_partitions_and_its_retention() {
    let kafka = Kafka::start("provided-again");
    let brokers = kafka.address();
    for topic in [SOURCE, "receipts"] {
        create_topic(&brokers, topic, 6);
    }
    let service = Service::start_example("retry_topics", &brokers, "provided-again", &[], &[]);
    service.logs(LIMIT, &["INFO started"]);
    wait_until("it is made", LIMIT, || partitions(&brokers, FIRST) == 6);
    // Somebody looks at them before they are written to.
    std::thread::sleep(Duration::from_secs(4));
    delete_topic(&brokers, FIRST);
    create_topic(&brokers, FIRST, 1);
    wait_until("it grows", Duration::from_secs(20), || partitions(&brokers, FIRST) == 6);
    wait_until("it has its retention", Duration::from_secs(20), || {
        setting(&brokers, FIRST, "retention.ms").as_deref() == Some("604800000")
    });
    produce(&brokers, SOURCE, 6, 0, 12, charge);
    wait_until("all have come through it", LIMIT, || records(&brokers, "receipts", 6).len() >= 12);
    assert_eq!(service.terminate().code(), Some(0));
}

#[test]
#[ignore = "needs Java and Maven"]
fn records_that_wait_in_a_retry_topic_that_was_made_again_smaller_are_all_handled() {
    let kafka = Kafka::start("provided-waiting");
    let brokers = kafka.address();
    // The broker makes topics with four.
    for topic in [SOURCE, "receipts"] {
        create_topic(&brokers, topic, 6);
    }
    let service = Service::start_example("retry_topics", &brokers, "provided-waiting", &[], &[]);
    service.logs(LIMIT, &["INFO started"]);
    produce(&brokers, SOURCE, 6, 0, 60, charge);
    wait_until("all have come through the first one", LIMIT, || records(&brokers, "receipts", 6).len() >= 60);
    delete_topic(&brokers, FIRST);
    let gone = std::time::Instant::now();
    while partitions(&brokers, FIRST) == 6 && gone.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(10));
    }
    // They fail at once: their copies are the reason why the broker makes the topic again.
    produce(&brokers, SOURCE, 6, 100, 60, charge);
    let missing = || {
        let receipts = records(&brokers, "receipts", 6);
        let all: Vec<_> = receipts.into_iter().filter_map(|(_, record)| record.payload).collect();
        let is_there = |id: &u64| {
            let start = format!(r#"{{"charge":{id},"#);
            all.iter().any(|payload| payload.starts_with(start.as_bytes()))
        };
        (100..160).filter(|id| !is_there(id)).collect::<Vec<_>>()
    };
    let until = std::time::Instant::now() + LIMIT;
    while !missing().is_empty() {
        assert!(std::time::Instant::now() < until, "never handled: {:?}\n{}", missing(), service.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    wait_until("it has its partitions again", LIMIT, || partitions(&brokers, FIRST) == 6);
    assert_eq!(service.terminate().code(), Some(0));
}

#[test]
#[ignore = "needs Java and Maven"]
fn an_advertised_listener_that_cannot_be_reached_is_named_and_the_service_has_not_started() {
    let nobody = free_port();
    let kafka = Kafka::start_advertising("advertised", Some(nobody));
    let service = Service::start_example("retry_topics", &kafka.address(), "advertised", &[], &[]);
    let told = format!("answered, and told to connect to 127.0.0.1:{nobody} (its advertised listener)");
    service.logs(LIMIT, &[&kafka.address(), &told]);
    let log = service.log();
    assert!(!log.contains("INFO started") && !log.contains("does not answer"), "{log}");
    assert_eq!(service.terminate().code(), Some(0));
}
