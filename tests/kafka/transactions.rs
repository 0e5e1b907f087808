//! Records of transactions: only committed ones are handled, and what is no record keeps nothing back.

use std::thread;
use std::time::{Duration, Instant};

use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::broker::Kafka;
use crate::client::{create_topic, produce};
use crate::members::{Group, Member, PROTOCOLS};
use crate::wait::{PATIENCE, wait_until};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Somebody who writes in transactions.
struct Transactions<'a> {
    producer: BaseProducer,
    topic: &'a str,
}

impl<'a> Transactions<'a> {
    fn new(group: &'a Group, id: &str) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &group.brokers)
            .set("transactional.id", format!("{}-{id}", group.name))
            .create()
            .expect("a producer");
        producer.init_transactions(TIMEOUT).expect("it may write in transactions");
        Self { producer, topic: &group.name }
    }

    /// Writes these in a transaction that goes on.
    fn begin(&self, ids: impl Iterator<Item = u64>) {
        self.producer.begin_transaction().expect("a transaction");
        for id in ids {
            let text = format!(r#"{{"id":{id}}}"#);
            let record = BaseRecord::<(), String>::to(self.topic).partition(0).payload(&text);
            self.producer.send(record).map_err(|(error, _)| error).expect("it is queued");
        }
        self.producer.flush(TIMEOUT).expect("all are written");
    }

    fn commit(&self) {
        self.producer.commit_transaction(TIMEOUT).expect("it is committed");
    }

    fn abort(&self) {
        self.producer.abort_transaction(TIMEOUT).expect("it is aborted");
    }
}

/// Waits until this is the group's committed offset.
fn is_at(group: &Group, next: i64) {
    let what = format!("{}: {next} is committed", group.name);
    let began = Instant::now();
    wait_until(&what, PATIENCE, || group.committed() == [(0, next)].into());
    println!("{what} after {:?}", began.elapsed());
}

fn ids(member: &Member) -> Vec<u64> {
    member.all().iter().map(|handled| handled.id).collect()
}

#[test]
#[ignore = "needs Java and Maven"]
fn only_committed_records_are_handled_and_the_committed_offset_reaches_the_end() {
    let kafka = Kafka::start("transactions");
    thread::scope(|scope| {
        for protocol in PROTOCOLS {
            let address = kafka.address();
            scope.spawn(move || {
                let name = format!("transactions-{protocol:?}");
                create_topic(&address, &name, 1);
                play(&Group::new(&address, &name, protocol, 1));
            });
        }
    });
}

fn play(group: &Group) {
    let (one, other) = (Transactions::new(group, "one"), Transactions::new(group, "other"));
    let plain = |id| produce(&group.brokers, &group.name, 1, id, 1, |id| format!(r#"{{"id":{id}}}"#));
    plain(0);
    one.begin(1..3);
    one.commit(); // A marker at 3.
    one.begin(100..102);
    one.abort(); // A marker at 6.
    other.begin(3..5);
    plain(5); // Behind records whose transaction is open: not to be read yet.

    let member = group.join();
    // The end of what may be read.
    is_at(group, 7);
    assert_eq!(ids(&member), [0, 1, 2]);
    other.commit(); // A marker at 10.
    is_at(group, 11);
    assert_eq!(ids(&member), [0, 1, 2, 3, 4, 5]);
    // Nothing but an aborted transaction.
    one.begin(102..112);
    one.abort();
    is_at(group, 22);
    group.all_is_committed(&group.name);
    assert_eq!(member.stop_cleanly(&group.name).len(), 6);

    // One that begins behind markers, and stops before it handled anything.
    let member = group.join();
    one.begin(112..113);
    one.abort();
    is_at(group, 24);
    assert_eq!(member.stop_cleanly(&group.name).len(), 0);
    plain(6);
    let member = group.join();
    is_at(group, 25);
    assert_eq!(ids(&member), [6]);
    member.stop_cleanly(&group.name);
}
