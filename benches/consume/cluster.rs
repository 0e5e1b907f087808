//! The brokers of the benchmark, with a topic of a million orders: librdkafka's mock cluster, or a real one.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use faststream_kafka::rdkafka::client::DefaultClientContext;
use faststream_kafka::rdkafka::mocking::MockCluster;
use faststream_kafka::rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use crate::MESSAGES;

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

/// The brokers, and the topic to read.
pub(crate) struct Cluster {
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
    pub(crate) address: String,
    pub(crate) topic: String,
}

impl Cluster {
    /// Takes the brokers of `KAFKA_BROKERS`, else a mock cluster, and writes the topic.
    pub(crate) async fn start() -> Self {
        let cluster = match env::var("KAFKA_BROKERS") {
            Ok(address) => Self::real(address).await,
            Err(_) => Self::mock(),
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

    fn mock() -> Self {
        let mock = MockCluster::new(1).expect("a mock cluster");
        mock.create_topic("orders", PARTITIONS, 1).expect("a topic");
        let address = mock.bootstrap_servers();
        Self { mock: Some(mock), address, topic: "orders".into() }
    }

    async fn real(address: String) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let topic = format!("faststream-bench-{now}");
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &address).create().expect("an admin client");
        let new = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(1));
        let created = admin.create_topics([&new], &AdminOptions::new()).await.expect("an answer");
        created.into_iter().next().expect("one topic").expect("the topic is created");
        Self { mock: None, address, topic }
    }

    fn fill(&self) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("queue.buffering.max.messages", "4000000");
        if self.mock.is_some() {
            // The mock cluster keeps 5 MiB of a partition: a million messages fit compressed.
            config.set("compression.codec", "zstd").set("batch.num.messages", "3000").set("linger.ms", "500");
        }
        let producer: BaseProducer = config.create().expect("a producer");
        for id in 0..MESSAGES {
            let payload = order(id);
            let key = format!("key-{:06}", id % 100_000);
            let partition = i32::try_from(id % 4).expect("less than 4");
            let mut record = BaseRecord::to(&self.topic).payload(&payload).key(&key).partition(partition);
            while let Err((_, refused)) = producer.send(record) {
                producer.poll(Duration::from_millis(20));
                record = refused;
            }
        }
        producer.flush(Duration::from_secs(60)).expect("all written");
        for partition in 0..PARTITIONS {
            let range = producer.client().fetch_watermarks(&self.topic, partition, Duration::from_secs(10));
            let (low, high) = range.expect("an answer");
            assert_eq!((high - low) * i64::from(PARTITIONS), i64::try_from(MESSAGES).expect("fits"));
        }
    }
}

/// About 100 B.
fn order(id: u64) -> String {
    format!(
        r#"{{"id":{:010},"user":"u{:06}","kind":"created","amount":{}.25,"ok":true,"ts":17000000{:05}}}"#,
        1_000_000_000 + id,
        (id * 7919) % 1_000_000,
        100_000 + (id * 31) % 900_000,
        id % 100_000
    )
}
