//! Retry topics and dead letters on a real broker: made at start, delays kept, nothing lost.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use faststream::{FastStream, GroupSettings, Provision, kafka, subscriber};
use faststream_core::app::{LaunchOptions, StartOptions};
use faststream_core::record::OwnedRecord;
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use faststream_kafka::rdkafka::client::DefaultClientContext;

use crate::broker::Kafka;
use crate::client::{committed, create_topic, ends, produce, records};
use crate::service::Service;
use crate::wait::wait_until;

const PARTITIONS: i32 = 3;
const GROUP: &str = "payments";
const SOURCE: &str = "charges";
const FIRST: &str = "charges-payments-retry-2s";
const SECOND: &str = "charges-payments-retry-5s";
const DEAD: &str = "charges-dlt";
const SESSION: &[&str] = &["session.timeout.ms=2000", "heartbeat.interval.ms=500"];
/// At which attempt the bank answers; the last one is never made.
const ANSWERS_AT: [u64; 4] = [1, 2, 3, 9];
const LIMIT: Duration = Duration::from_secs(90);

fn answers_at(id: u64) -> u64 {
    ANSWERS_AT[usize::try_from(id).expect("small") % ANSWERS_AT.len()]
}

fn charge(id: u64) -> String {
    format!(r#"{{"id":{id},"answers_at":{}}}"#, answers_at(id))
}

fn service(brokers: &str, log: &str) -> Service {
    Service::start_example("retry_topics", brokers, log, SESSION, &[])
}

/// Whether the group is at the end of the source and of every retry topic.
fn is_done(brokers: &str) -> bool {
    [SOURCE, FIRST, SECOND].iter().all(|topic| {
        let ends: BTreeMap<_, _> =
            ends(brokers, topic, PARTITIONS).into_iter().filter(|(_, end)| *end > 0).collect();
        committed(brokers, GROUP, topic, PARTITIONS).into_iter().filter(|(_, next)| *next > 0).eq(ends)
    })
}

fn text(record: &OwnedRecord, name: &str) -> String {
    let mut found = record.headers.iter().filter(|(key, _)| key == name.as_bytes());
    let value =
        found.next().and_then(|(_, value)| value.clone()).unwrap_or_else(|| panic!("no {name}: {record:?}"));
    assert!(found.next().is_none(), "{name} twice: {record:?}");
    String::from_utf8(value.to_vec()).expect("text")
}

fn number(record: &OwnedRecord, name: &str) -> i64 {
    text(record, name).parse().expect("a number")
}

fn field(record: &OwnedRecord, name: &str) -> u64 {
    let payload = record.payload.as_deref().expect("no tombstone");
    let value: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
    value[name].as_u64().expect("a number")
}

/// What is in all topics when the group is done.
struct Found {
    source: BTreeMap<u64, (i32, OwnedRecord)>,
    first: Vec<(i32, OwnedRecord)>,
    second: Vec<(i32, OwnedRecord)>,
    receipts: Vec<(i32, OwnedRecord)>,
    dead: Vec<(i32, OwnedRecord)>,
}

impl Found {
    fn read(brokers: &str) -> Self {
        let all = |topic| records(brokers, topic, PARTITIONS);
        let source = all(SOURCE).into_iter().map(|record| (field(&record.1, "id"), record)).collect();
        let receipts = records(brokers, "receipts", PARTITIONS);
        Self { source, first: all(FIRST), second: all(SECOND), receipts, dead: all(DEAD) }
    }

    /// Each ends where it has to, at the latest; duplicates are allowed.
    fn assert_nothing_is_lost(&self) {
        let charged: BTreeSet<u64> =
            self.receipts.iter().map(|(_, record)| field(record, "charge")).collect();
        let dead: BTreeSet<u64> = self.dead.iter().map(|(_, record)| field(record, "id")).collect();
        let (never, answered): (BTreeSet<u64>, BTreeSet<u64>) =
            self.source.keys().partition(|id| answers_at(**id) == 9);
        let lost: Vec<_> = answered.difference(&charged).chain(never.difference(&dead)).take(10).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        assert_eq!(dead, never, "exactly the bad ones are dead letters");
    }

    /// Nothing is there before a copy of the stage before it was due, and each is due its delay after the failure.
    fn assert_no_delay_is_shortened(&self) {
        let due = |copies: &[(i32, OwnedRecord)]| {
            let mut due = BTreeMap::<u64, i64>::new();
            for (_, copy) in copies {
                let at = number(copy, "retry-due");
                let earliest = due.entry(field(copy, "id")).or_insert(at);
                *earliest = at.min(*earliest);
            }
            due
        };
        let (after_first, after_second) = (due(&self.first), due(&self.second));
        let assert_after = |due: &BTreeMap<u64, i64>, id: u64, record: &OwnedRecord| {
            let at = record.timestamp.expect("a time");
            // Milliseconds are cut off on both sides.
            assert!(at >= due[&id] - 2, "{id} came {} ms too early: {record:?}", due[&id] - at);
        };
        for (_, copy) in &self.first {
            assert!(number(copy, "retry-due") >= number(copy, "retry-first-failed-at") + 2_000, "{copy:?}");
        }
        for (_, copy) in &self.second {
            let id = field(copy, "id");
            assert_after(&after_first, id, copy);
            assert!(number(copy, "retry-due") >= after_first[&id] + 5_000 - 2, "{copy:?}");
        }
        for (_, receipt) in &self.receipts {
            match field(receipt, "attempts") {
                1 => {}
                2 => assert_after(&after_first, field(receipt, "charge"), receipt),
                3 => assert_after(&after_second, field(receipt, "charge"), receipt),
                attempts => panic!("{attempts} attempts: {receipt:?}"),
            }
        }
        for (_, letter) in &self.dead {
            assert_after(&after_second, field(letter, "id"), letter);
        }
    }

    /// Place and reason travel from stage to stage, on the partition of the original.
    fn assert_headers_are_whole(&self) {
        for (copies, attempts) in [(&self.first, 1), (&self.second, 2)] {
            for (partition, copy) in copies {
                let (home, original) = &self.source[&field(copy, "id")];
                assert_eq!((partition, copy.headers.len()), (home, 9), "{copy:?}");
                assert_eq!(text(copy, "retry-original-topic"), SOURCE);
                assert_eq!(number(copy, "retry-original-partition"), i64::from(*home));
                assert_eq!(number(copy, "retry-original-offset"), original.offset);
                assert_eq!(Some(number(copy, "retry-original-timestamp")), original.timestamp);
                assert_eq!(number(copy, "retry-attempts"), attempts);
                assert_eq!(text(copy, "retry-error-message"), "the bank does not answer");
                assert!(!text(copy, "retry-error-type").is_empty());
            }
        }
        for (partition, letter) in &self.dead {
            let (home, original) = &self.source[&field(letter, "id")];
            assert_eq!((partition, letter.headers.len()), (home, 10), "{letter:?}");
            assert_eq!(text(letter, "dlt-original-topic"), SOURCE);
            assert_eq!(number(letter, "dlt-original-partition"), i64::from(*home));
            assert_eq!(number(letter, "dlt-original-offset"), original.offset);
            assert_eq!(Some(number(letter, "dlt-original-timestamp")), original.timestamp);
            assert_eq!(
                (text(letter, "dlt-consumer-group"), text(letter, "dlt-handler")),
                (GROUP.into(), "charge".into())
            );
            assert_eq!(number(letter, "dlt-attempts"), 3);
            assert_eq!(text(letter, "dlt-error-message"), "the bank does not answer");
            assert!(!text(letter, "dlt-error-type").is_empty());
            assert!(number(letter, "dlt-failed-at") >= original.timestamp.expect("a time") + 7_000);
            assert_eq!((&letter.key, &letter.payload), (&original.key, &original.payload));
        }
    }
}

#[test]
#[ignore = "needs Java and Maven"]
fn topics_are_made_like_their_source_and_records_go_through_their_stages_with_the_delays_kept() {
    let kafka = Kafka::start("retry-topics");
    let brokers = kafka.address();
    create_topic(&brokers, SOURCE, PARTITIONS);
    create_topic(&brokers, "receipts", PARTITIONS);
    let forgotten = "charges-payments-retry-9m";
    create_topic(&brokers, forgotten, 1);
    produce(&brokers, forgotten, 1, 0, 7, charge);
    produce(&brokers, SOURCE, PARTITIONS, 0, 40, charge);
    let service = service(&brokers, "retry-topics");
    wait_until("all is done", LIMIT, || service.log().contains("started") && is_done(&brokers));
    let said = "7 records wait in charges-payments-retry-9m, and no handler of this app reads it any more";
    assert!(service.log().contains(said), "{}", service.log());
    assert_eq!(service.terminate().code(), Some(0));

    for topic in [FIRST, SECOND, DEAD] {
        // Of other partitions there is no end to be asked for.
        assert_eq!(partitions(&brokers, topic), 3, "{topic}");
    }
    let found = Found::read(&brokers);
    assert_eq!((found.first.len(), found.second.len(), found.dead.len()), (30, 20, 10), "no duplicates");
    found.assert_nothing_is_lost();
    found.assert_no_delay_is_shortened();
    found.assert_headers_are_whole();
}

fn partitions(brokers: &str, topic: &str) -> usize {
    use faststream_kafka::rdkafka::consumer::{BaseConsumer, Consumer};
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "x")
        .create()
        .expect("a client");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("metadata");
    metadata.topics()[0].partitions().len()
}

/// KILLS sets how often; SEED repeats a run's moments.
#[test]
#[ignore = "needs Java and Maven"]
fn no_kill_loses_a_record_or_shortens_a_delay() {
    let variable = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let kills = variable("KILLS").unwrap_or(5);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let seed = variable("SEED").unwrap_or(u64::from(now.subsec_nanos()));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);

    let kafka = Kafka::start("retry-kills");
    let brokers = kafka.address();
    create_topic(&brokers, SOURCE, PARTITIONS);
    create_topic(&brokers, "receipts", PARTITIONS);
    let each = 40;
    for kill in 0..kills {
        produce(&brokers, SOURCE, PARTITIONS, kill * each, each, charge);
        let service = service(&brokers, &format!("retry-kill-{kill}"));
        // A new member waits for the session of the killed one: from there on anything may happen.
        let before = is_assigned(&service, LIMIT);
        thread::sleep(Duration::from_millis(random.u64(0..4_000)));
        service.kill();
        assert!(before, "it was never assigned its partitions");
    }
    let service = service(&brokers, "retry-kill-rest");
    wait_until("the rest is done", LIMIT, || is_done(&brokers));
    assert_eq!(service.terminate().code(), Some(0));
    let found = Found::read(&brokers);
    assert_eq!(found.source.len() as u64, kills * each);
    found.assert_nothing_is_lost();
    found.assert_no_delay_is_shortened();
    let copies = found.first.len() + found.second.len() + found.dead.len();
    println!("{kills} kills, {} charges, {copies} copies, of them {} twice", found.source.len(), {
        let once = kills * each / 4 * 6;
        copies as u64 - once
    });
}

fn is_assigned(service: &Service, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if service.log().contains(" assigned: ") {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
#[ignore = "needs Java and Maven"]
fn dead_letters_that_the_topic_refuses_are_held_until_it_takes_them() {
    let kafka = Kafka::start("dead-letters");
    let brokers = kafka.address();
    for topic in [SOURCE, "receipts", DEAD] {
        create_topic(&brokers, topic, PARTITIONS);
    }
    configure(&brokers, DEAD, "max.message.bytes", "100");
    produce(&brokers, SOURCE, PARTITIONS, 0, 40, charge);
    let service = service(&brokers, "dead-letters");
    wait_until("one of each partition is held", LIMIT, || {
        service.log().matches("held, nothing behind it").count() >= 3
    });
    let log = service.log();
    assert!(
        log.contains("raise message.max.bytes of the producer and max.message.bytes of topic charges-dlt"),
        "{log}"
    );
    assert!(log.contains("--skip charges-payments-retry-5s:"), "{log}");
    assert!(records(&brokers, DEAD, PARTITIONS).is_empty());
    assert_eq!(
        committed(&brokers, GROUP, SOURCE, PARTITIONS),
        ends(&brokers, SOURCE, PARTITIONS),
        "the source goes on"
    );
    configure(&brokers, DEAD, "max.message.bytes", "1000000");
    wait_until("all is done", LIMIT, || is_done(&brokers));
    assert_eq!(service.terminate().code(), Some(0));
    let found = Found::read(&brokers);
    found.assert_nothing_is_lost();
    found.assert_no_delay_is_shortened();
    assert_eq!(found.dead.len(), 10, "each once");
}

fn configure(brokers: &str, topic: &str, key: &str, value: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let altered = runtime.block_on(admin.alter_configs([&change], &AdminOptions::new())).expect("an answer");
    assert!(altered.iter().all(Result::is_ok), "{altered:?}");
}

mod refused {
    use super::*;

    #[subscriber(topic = "col_lide", group = "collides", on_error = DeadLetter)]
    async fn collides(_number: u64) {}

    #[test]
    #[ignore = "needs Java and Maven"]
    fn a_topic_that_is_refused_or_missing_is_a_start_error_with_its_handler() {
        let broker = Kafka::start("refused");
        let brokers = broker.address();
        create_topic(&brokers, "col_lide", 2);
        let start = |provision| {
            let settings = GroupSettings::new().provision(provision);
            let app = FastStream::new(kafka::Kafka::new(&brokers)).name("x").module(module_path!());
            let plan = app.group_settings(settings).plan(LaunchOptions::default()).expect("a right app");
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let limit = Duration::from_secs(30);
                let started = tokio::time::timeout(limit, plan.start(StartOptions::default())).await;
                match started.expect("it does not wait") {
                    Ok(mut running) => {
                        running.shutdown();
                        assert_eq!(running.ended().await.code, 0);
                        String::new()
                    }
                    Err(error) => error.to_string(),
                }
            })
        };
        let verified = start(Provision::Verify);
        assert!(verified.contains("`col_lide-dlt`, which does not exist"), "{verified}");
        // Kafka refuses names that differ only in `.` and `_`.
        create_topic(&brokers, "col.lide-dlt", 1);
        let refused = start(Provision::Create);
        for said in
            ["col_lide-dlt", "refused::collides", "tests/kafka/retry_topics.rs:", "refuses to make it"]
        {
            assert!(refused.contains(said), "{said}: {refused}");
        }
    }
}
