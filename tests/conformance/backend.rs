//! What a behaviour is played on.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use faststream::kafka::{Kafka, KafkaConfig, Protocol};
use faststream::memory::MemoryBroker;
use faststream::{FastStream, Outgoing, Partition};
use faststream_core::broker::Broker;
use faststream_core::record::OwnedRecord;
use faststream_core::testing::conformance::UnderTest;
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::mocking::MockCluster;
use faststream_kafka::rdkafka::producer::DefaultProducerContext;
use faststream_kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::{broker, client};

/// No behaviour takes longer.
const LIMIT: Duration = Duration::from_secs(60);
/// When answers come that come late.
const LATE: Duration = Duration::from_millis(20);

pub(crate) type Play = for<'a> fn(&'a dyn Backend) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A broker, as a behaviour prepares and checks it.
pub(crate) trait Backend: UnderTest {
    /// An app on it.
    fn app(&self) -> FastStream;
    /// Makes topics that an app makes by itself, where the broker knows no such request.
    fn create_for_app(&self, _topics: &[&str]) {}
    fn produce(&self, record: Outgoing);
    /// From now on answers come late, and the first so many to this topic are refusals: for good, or until somebody mends
    /// the cluster. Not where nobody can ask for that.
    fn refuse_late(&self, _topic: &str, _times: u32, _for_good: bool) {}
    fn committed(&self, group: &str, topic: &str, partitions: i32) -> BTreeMap<i32, i64>;
    fn records(&self, topic: &str, partitions: i32) -> Vec<(i32, OwnedRecord)>;
}

fn run(backend: &dyn Backend, play: Play) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let played = runtime.block_on(async { tokio::time::timeout(LIMIT, play(backend)).await });
    runtime.shutdown_background();
    assert!(played.is_ok(), "not done within {LIMIT:?}");
}

pub(crate) fn in_memory(play: Play) {
    run(&InMemory(MemoryBroker::new()), play);
}

pub(crate) fn on_the_mock_cluster(play: Play) {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    // A classic rebalance of the mock takes the whole session: KIP-848 does not.
    run(&OnMock { brokers: cluster.bootstrap_servers(), cluster }, play);
}

/// One broker serves all tests of this program that run at the same time.
pub(crate) fn on_kafka(play: Play) {
    static SHARED: Mutex<Weak<broker::Kafka>> = Mutex::new(Weak::new());
    let kafka = {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let kafka = shared.upgrade().unwrap_or_else(|| Arc::new(broker::Kafka::start("conformance")));
        *shared = Arc::downgrade(&kafka);
        kafka
    };
    run(&OnKafka { brokers: kafka.address() }, play);
}

/// The in-memory broker.
#[derive(Debug)]
struct InMemory(MemoryBroker);

impl UnderTest for InMemory {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(self.0.clone())
    }

    fn create_topic(&self, topic: &str, partitions: i32) {
        self.0.create_topic(topic, partitions);
    }

    fn delay_answers(&self, delay: Duration) {
        self.0.delay_commits(delay, u32::MAX);
        self.0.delay_publishes(delay);
    }
}

impl Backend for InMemory {
    fn app(&self) -> FastStream {
        FastStream::new(self.0.clone())
    }

    fn produce(&self, record: Outgoing) {
        self.0.append(record).expect("it is written");
    }

    fn refuse_late(&self, topic: &str, times: u32, for_good: bool) {
        self.0.delay_publishes(LATE);
        if for_good {
            self.0.refuse_publishes_to(topic, times);
        } else {
            self.0.deny_publishes_to(topic, times);
        }
    }

    fn committed(&self, group: &str, topic: &str, _partitions: i32) -> BTreeMap<i32, i64> {
        self.0.committed(group, topic)
    }

    fn records(&self, topic: &str, _partitions: i32) -> Vec<(i32, OwnedRecord)> {
        self.0.records(topic)
    }
}

/// librdkafka's mock cluster.
struct OnMock {
    cluster: MockCluster<'static, DefaultProducerContext>,
    brokers: String,
}

impl std::fmt::Debug for OnMock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnMock").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl OnMock {
    fn kafka(&self) -> Kafka {
        Kafka::with(KafkaConfig::new(&self.brokers).protocol(Protocol::Consumer))
    }
}

impl UnderTest for OnMock {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(self.kafka())
    }

    fn create_topic(&self, topic: &str, partitions: i32) {
        self.cluster.create_topic(topic, partitions, 1).expect("a new topic");
    }

    fn delay_answers(&self, delay: Duration) {
        self.cluster.broker_round_trip_time(1, delay).expect("a broker");
    }
}

impl Backend for OnMock {
    fn app(&self) -> FastStream {
        FastStream::new(self.kafka())
    }

    fn create_for_app(&self, topics: &[&str]) {
        for topic in topics {
            self.create_topic(topic, 1);
        }
    }

    fn produce(&self, record: Outgoing) {
        produce(&self.brokers, record);
    }

    fn refuse_late(&self, _topic: &str, times: u32, for_good: bool) {
        // Of the next requests, whatever they are about: nothing else is published meanwhile.
        self.delay_answers(LATE);
        let refusal = if for_good {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD
        } else {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_POLICY_VIOLATION
        };
        for _ in 0..times {
            self.cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
        }
    }

    fn committed(&self, group: &str, topic: &str, partitions: i32) -> BTreeMap<i32, i64> {
        client::committed(&self.brokers, group, topic, partitions)
    }

    fn records(&self, topic: &str, partitions: i32) -> Vec<(i32, OwnedRecord)> {
        client::records(&self.brokers, topic, partitions)
    }
}

/// A real Kafka.
#[derive(Debug)]
struct OnKafka {
    brokers: String,
}

impl OnKafka {
    fn kafka(&self) -> Kafka {
        Kafka::with(KafkaConfig::new(&self.brokers).session_timeout(Duration::from_secs(6)))
    }
}

impl UnderTest for OnKafka {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(self.kafka())
    }

    fn create_topic(&self, topic: &str, partitions: i32) {
        client::create_topic(&self.brokers, topic, partitions);
    }

    /// Nobody can ask for that.
    fn delay_answers(&self, _delay: Duration) {}
}

impl Backend for OnKafka {
    fn app(&self) -> FastStream {
        FastStream::new(self.kafka())
    }

    fn produce(&self, record: Outgoing) {
        produce(&self.brokers, record);
    }

    fn committed(&self, group: &str, topic: &str, partitions: i32) -> BTreeMap<i32, i64> {
        client::committed(&self.brokers, group, topic, partitions)
    }

    fn records(&self, topic: &str, partitions: i32) -> Vec<(i32, OwnedRecord)> {
        client::records(&self.brokers, topic, partitions)
    }
}

/// By a client that is not ours; its partitioner is the one of Kafka's own clients.
fn produce(brokers: &str, record: Outgoing) {
    use faststream_kafka::rdkafka::message::{Header, OwnedHeaders};
    use faststream_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("partitioner", "murmur2_random").set("linger.ms", "0");
    let producer: BaseProducer = config.create().expect("a producer");
    let mut headers = OwnedHeaders::new();
    for (name, value) in &record.headers {
        let key = std::str::from_utf8(name).expect("this client writes text names only");
        headers = headers.insert(Header { key, value: value.as_deref() });
    }
    let mut message = BaseRecord::<[u8], [u8]>::to(&record.topic).headers(headers);
    if let Some(key) = &record.key {
        message = message.key(key);
    }
    if let Some(payload) = &record.payload {
        message = message.payload(payload);
    }
    if let Partition::Exactly(partition) = record.partition {
        message = message.partition(partition);
    }
    producer.send(message).map_err(|(error, _)| error).expect("it is queued");
    producer.flush(Duration::from_secs(20)).expect("it is written");
}
