//! The brokers of the benchmark, with a topic of orders: librdkafka's mock cluster, or a real one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, thread};

use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use faststream_kafka::rdkafka::client::DefaultClientContext;
use faststream_kafka::rdkafka::consumer::{BaseConsumer, Consumer as _};
use faststream_kafka::rdkafka::mocking::MockCluster;
use faststream_kafka::rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use super::order::Order;

pub(crate) const PARTITIONS: i32 = 4;

/// Settings of both sides; the consumers differ in nothing else. `fetch.queue.backoff.ms` is not librdkafka's default of
/// 1000, with which the hand-written loop would be six times slower.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.wait.max.ms", "100"),
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "4096"),
    ("statistics.interval.ms", "2000"),
];

/// Settings of the hand-written producers: ours.
pub(crate) const PRODUCER: &[(&str, &str)] =
    &[("enable.idempotence", "true"), ("acks", "all"), ("linger.ms", "5"), ("partitioner", "murmur2_random")];

/// The brokers, and the topic to read.
pub(crate) struct Cluster {
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
    pub(crate) address: String,
    pub(crate) topic: String,
    /// How many orders it has.
    pub(crate) messages: u64,
}

/// How many records a topic has.
pub(crate) struct Look {
    consumer: BaseConsumer,
    topic: String,
}

impl Look {
    fn records(&self) -> u64 {
        let end = |partition| self.consumer.fetch_watermarks(&self.topic, partition, Duration::from_secs(10));
        let ends = (0..PARTITIONS).map(|partition| end(partition).expect("an answer").1);
        ends.sum::<i64>().unsigned_abs()
    }

    /// Waits until it has so many.
    pub(crate) fn wait_for(&self, records: u64) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.records() < records {
            assert!(Instant::now() < until, "{} has {} records of {records}", self.topic, self.records());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Cluster {
    /// Takes the brokers of `KAFKA_BROKERS`, else a mock cluster, and writes the topic.
    pub(crate) async fn start(messages: u64) -> Self {
        let cluster = match env::var("KAFKA_BROKERS") {
            Ok(address) => Self::real(address, messages).await,
            Err(_) => Self::mock(messages),
        };
        cluster.fill();
        cluster
    }

    /// What the benchmark ran on.
    pub(crate) fn name(&self) -> String {
        match &self.mock {
            Some(_) => "the mock cluster".to_owned(),
            None => format!("the brokers at {}", self.address),
        }
    }

    /// Settings of one run, in a group of its own.
    pub(crate) fn settings(&self) -> BTreeMap<&'static str, String> {
        let mut settings: BTreeMap<_, _> =
            SETTINGS.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if self.mock.is_some() {
            // Joins within milliseconds there.
            settings.insert("group.protocol", "consumer".to_owned());
        }
        settings
    }

    /// Makes another topic, with as many partitions.
    pub(crate) async fn topic(&self, name: &str) -> String {
        let topic = format!("{}-{name}", self.topic);
        match &self.mock {
            Some(mock) => mock.create_topic(&topic, PARTITIONS, 1).expect("a topic"),
            None => create(&self.address, &topic).await,
        }
        topic
    }

    /// Whether each partition keeps 5 MiB, and no more.
    pub(crate) fn is_mock(&self) -> bool {
        self.mock.is_some()
    }

    /// Looks how many records a topic has; connected, so that a look costs no more than a request.
    pub(crate) fn look_at(&self, topic: &str) -> Look {
        let mut config = ClientConfig::new();
        let consumer: BaseConsumer = config
            .set("bootstrap.servers", &self.address)
            .set("group.id", "look")
            .create()
            .expect("a consumer");
        let look = Look { consumer, topic: topic.to_owned() };
        assert_eq!(look.records(), 0);
        look
    }

    fn mock(messages: u64) -> Self {
        let mock = MockCluster::new(1).expect("a mock cluster");
        mock.create_topic("orders", PARTITIONS, 1).expect("a topic");
        let address = mock.bootstrap_servers();
        Self { mock: Some(mock), address, topic: "orders".into(), messages }
    }

    async fn real(address: String, messages: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let topic = format!("faststream-bench-{now}");
        create(&address, &topic).await;
        Self { mock: None, address, topic, messages }
    }

    fn fill(&self) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("queue.buffering.max.messages", "4000000");
        if self.mock.is_some() {
            // The mock cluster keeps 5 MiB of a partition: a million messages fit compressed.
            config.set("compression.codec", "zstd").set("batch.num.messages", "3000").set("linger.ms", "500");
        }
        let producer: BaseProducer = config.create().expect("a producer");
        for id in 0..self.messages {
            let order = Order::new(id);
            let payload = serde_json::to_vec(&order).expect("JSON");
            let key = format!("key-{:06}", id % 100_000);
            let mut record =
                BaseRecord::to(&self.topic).payload(&payload).key(&key).partition(order.partition());
            while let Err((_, refused)) = producer.send(record) {
                producer.poll(Duration::from_millis(20));
                record = refused;
            }
        }
        producer.flush(Duration::from_secs(60)).expect("all written");
        for partition in 0..PARTITIONS {
            let range = producer.client().fetch_watermarks(&self.topic, partition, Duration::from_secs(10));
            let (low, high) = range.expect("an answer");
            assert_eq!((high - low) * i64::from(PARTITIONS), i64::try_from(self.messages).expect("fits"));
        }
    }
}

async fn create(address: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address).create().expect("an admin client");
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    let created = admin.create_topics([&new], &AdminOptions::new()).await.expect("an answer");
    created.into_iter().next().expect("one topic").expect("the topic is created");
}
