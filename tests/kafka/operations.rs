//! Pauses and seeks on a real broker: times, protocols, and pauses that outlast sessions.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use faststream::kafka::{Kafka, KafkaConfig, Protocol};
use faststream::{FastStream, Metadata, SeekTo, State, TopicPartition, subscriber};
use faststream_core::app::{LaunchOptions, Running, StartOptions};

use crate::broker;
use crate::client::{Writer, committed, create_topic};

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Seen(Mutex<Vec<(i32, i64)>>);

impl Seen {
    fn of(&self, partition: i32) -> Vec<i64> {
        let seen = self.0.lock().expect("not poisoned");
        seen.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect()
    }
}

#[subscriber(topic = "operations", drain = "2s")]
async fn handle(_id: u64, metadata: Metadata, State(seen): State<Seen>) {
    seen.0.lock().expect("not poisoned").push((metadata.partition, metadata.offset));
}

async fn start(config: KafkaConfig, group: &str) -> (Running, Arc<Seen>) {
    let app = FastStream::new(Kafka::with(config)).name(group).module(module_path!()).state(Seen::default());
    let plan = app.plan(LaunchOptions::default()).unwrap_or_else(|faults| panic!("{faults}"));
    let seen = plan.state().expect("given above");
    (plan.start(StartOptions::default()).await.expect("it starts"), seen)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn stop(mut running: Running) {
    running.shutdown();
    let exit = tokio::time::timeout(LIMIT, running.ended()).await.expect("it ends");
    assert_eq!(exit.code, 0, "{:?}", exit.messages);
}

fn block_on(played: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads").block_on(played);
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_pause_outlasts_the_poll_interval_and_the_other_partition_goes_on_whatever_the_protocol() {
    let kafka = broker::Kafka::start("operations");
    let brokers = kafka.address();
    create_topic(&brokers, "operations", 2);
    let writer = Writer::new(&brokers);
    let config = || {
        let config = KafkaConfig::new(&brokers).session_timeout(Duration::from_secs(6));
        config.property("max.poll.interval.ms", "6000")
    };
    let configs = [
        ("range", config().property("partition.assignment.strategy", "range")),
        ("cooperative", config()),
        ("consumer", KafkaConfig::new(&brokers).protocol(Protocol::Consumer)),
    ];
    block_on(async {
        let (mut running, mut end) = (Vec::new(), [0, 0]);
        for (group, config) in configs {
            let (app, seen) = start(config, group).await;
            running.push((group, app, seen));
        }
        let mut write = |partition: i32| {
            writer.write("operations", partition, Some(b"1"));
            let end = &mut end[usize::try_from(partition).expect("not negative")];
            *end += 1;
            *end
        };
        let (zero, one) = (write(0), write(1));
        for (group, app, seen) in &running {
            until(group, || (seen.of(0).len(), seen.of(1).len()) == (zero, one)).await;
            app.pause_partition("handle", TopicPartition::new("operations", 0))
                .await
                .expect("it is assigned");
        }
        let until_then = Instant::now() + Duration::from_secs(8);
        let (mut zero, mut one) = (zero, one);
        while Instant::now() < until_then {
            (zero, one) = (write(0), write(1));
            for (group, _, seen) in &running {
                until(group, || seen.of(1).len() == one).await;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        for (group, app, seen) in &running {
            assert_eq!(seen.of(0), [0], "{group}");
            assert!(app.health().ready && app.partitions() == 2, "{group}: {:?}", app.health());
            app.resume_partition("handle", TopicPartition::new("operations", 0)).await.expect("known");
            until(group, || seen.of(0).len() == zero).await;
        }
        for (group, app, seen) in running {
            let each: Vec<i64> = (0..).take(zero).collect();
            assert_eq!(seen.of(0), each, "{group}: each once, in order");
            assert_eq!(seen.of(1).len(), one, "{group}");
            stop(app).await;
            let both = [(0, i64::try_from(zero).expect("few")), (1, i64::try_from(one).expect("few"))];
            assert_eq!(committed(&brokers, group, "operations", 2), both.into(), "{group}");
        }
    });
}

#[test]
#[ignore = "needs Java and Maven"]
fn a_seek_goes_to_a_time_to_both_ends_and_back_in_each_protocol() {
    let kafka = broker::Kafka::start("operations-seek");
    let brokers = kafka.address();
    create_topic(&brokers, "operations", 1);
    let writer = Writer::new(&brokers);
    let write = || writer.write("operations", 0, Some(b"1"));
    (0..3).for_each(|_| write());
    std::thread::sleep(Duration::from_millis(300));
    let time = std::time::SystemTime::now();
    std::thread::sleep(Duration::from_millis(300));
    (0..3).for_each(|_| write());
    let tp = TopicPartition::new("operations", 0);
    let configs = [
        ("range", KafkaConfig::new(&brokers).property("partition.assignment.strategy", "range")),
        ("cooperative", KafkaConfig::new(&brokers)),
        ("consumer", KafkaConfig::new(&brokers).protocol(Protocol::Consumer)),
    ];
    block_on(async {
        for (group, config) in configs {
            let (app, seen) = start(config.clone(), group).await;
            until(group, || seen.of(0).len() == 6).await;
            let mut all: Vec<i64> = (0..6).collect();
            for (to, next) in [
                (SeekTo::from(time), 3),
                (SeekTo::Beginning, 0),
                (SeekTo::Offset(5), 5),
                (SeekTo::End, 6),
                (SeekTo::Timestamp(i64::MAX), 6),
                (SeekTo::Offset(4), 4),
            ] {
                assert_eq!(app.seek("handle", tp.clone(), to).await, Ok(next), "{group}: {to}");
                all.extend(next..6);
                until(group, || seen.of(0).len() == all.len()).await;
                assert_eq!(seen.of(0), all, "{group}: {to}");
            }
            let error = app.seek("handle", tp.clone(), SeekTo::Offset(7)).await.expect_err("there is none");
            assert!(format!("{error:?}").contains("operations/0 has no offset 7"), "{error:?}");
            // Backwards, then the end of everything at once: the lower offset is what is committed.
            app.pause("handle").await.expect("known");
            assert_eq!(app.seek("handle", tp.clone(), SeekTo::Offset(1)).await, Ok(1));
            stop(app).await;
            assert_eq!(committed(&brokers, group, "operations", 1), [(0, 6)].into(), "{group}");
        }
    });
}
