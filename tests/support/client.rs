//! A plain client for what tests prepare and check.
#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use faststream_core::record::OwnedRecord;
use faststream_kafka::rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication,
};
use faststream_kafka::rdkafka::client::DefaultClientContext;
use faststream_kafka::rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use faststream_kafka::rdkafka::error::KafkaResult;
use faststream_kafka::rdkafka::message::Headers;
use faststream_kafka::rdkafka::metadata::{MetadataPartition, MetadataTopic};
use faststream_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use faststream_kafka::rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(10);

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

/// Runs an administrator's request, on a thread of its own: the test may run on a runtime already.
fn administer<R: Send>(
    brokers: &str,
    ask: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> KafkaResult<R> + Send,
) -> R {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().expect("an admin client");
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(ask(&admin, &options)).expect("an answer")
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("it does not panic"))
}

/// Makes a topic, with as many replicas as the brokers make by default, and waits until all of its partitions are known:
/// a producer gives up on records for one that is not.
pub(crate) fn create_topic(brokers: &str, topic: &str, partitions: i32) {
    create(brokers, NewTopic::new(topic, partitions, TopicReplication::Fixed(-1)));
}

/// Makes topics of as many partitions each, with one request, and waits until all of them are led.
pub(crate) fn create_topics(brokers: &str, topics: &[String], partitions: i32) {
    let new: Vec<_> =
        topics.iter().map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(-1))).collect();
    let made = administer(brokers, async |admin, options| admin.create_topics(&new, options).await);
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let consumer: BaseConsumer = config(brokers).set("group.id", "metadata").create().expect("a consumer");
    let until = Instant::now() + TIMEOUT;
    let led = || {
        let metadata = consumer.fetch_metadata(None, TIMEOUT).expect("an answer");
        let ours = metadata.topics().iter().filter(|topic| topics.iter().any(|name| name == topic.name()));
        ours.flat_map(MetadataTopic::partitions).filter(|partition| partition.leader() >= 0).count()
    };
    while led() < topics.len() * usize::try_from(partitions).expect("some partitions") {
        assert!(Instant::now() < until, "{} topics are not led", topics.len());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Writes one record to each partition of these topics.
pub(crate) fn write_to_each(brokers: &str, topics: &[String], partitions: i32) {
    let producer: BaseProducer = config(brokers).set("linger.ms", "5").create().expect("a producer");
    for topic in topics {
        for partition in 0..partitions {
            let record = BaseRecord::<(), str>::to(topic).partition(partition).payload("new");
            producer.send(record).map_err(|(error, _)| error).expect("it is queued");
        }
    }
    producer.flush(Duration::from_secs(60)).expect("all are written");
}

/// Makes a topic of one partition, on these nodes, the first of which leads, and which may lead though they have not all
/// of it.
pub(crate) fn create_unclean_topic(brokers: &str, topic: &str, nodes: &[i32]) {
    let nodes = [nodes];
    let new = NewTopic::new(topic, 1, TopicReplication::Variable(&nodes))
        .set("min.insync.replicas", "1")
        .set("unclean.leader.election.enable", "true");
    create(brokers, new);
}

fn create(brokers: &str, new: NewTopic<'_>) {
    let (topic, partitions) = (new.name, new.num_partitions);
    let made = administer(brokers, async |admin, options| admin.create_topics([&new], options).await);
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let consumer: BaseConsumer = config(brokers).set("group.id", "metadata").create().expect("a consumer");
    let until = Instant::now() + TIMEOUT;
    let known = || {
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("an answer");
        let led = |partition: &&MetadataPartition| partition.leader() >= 0;
        metadata.topics().iter().flat_map(MetadataTopic::partitions).filter(led).count()
    };
    while known() < usize::try_from(partitions).expect("some partitions") {
        assert!(Instant::now() < until, "{topic} has {} of {partitions} partitions", known());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Gives a topic more partitions.
pub(crate) fn grow_topic(brokers: &str, topic: &str, partitions: usize) {
    let more = NewPartitions::new(topic, partitions);
    let made = administer(brokers, async |admin, options| admin.create_partitions([&more], options).await);
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

pub(crate) fn delete_topic(brokers: &str, topic: &str) {
    let deleted = administer(brokers, async |admin, options| admin.delete_topics(&[topic], options).await);
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}

/// The group is forgotten with all that it has committed, as when its offsets expire. Nobody of it may run.
pub(crate) fn delete_group(brokers: &str, group: &str) {
    let until = Instant::now() + TIMEOUT;
    loop {
        let deleted =
            administer(brokers, async |admin, options| admin.delete_groups(&[group], options).await);
        match &deleted[..] {
            [Ok(_)] => return,
            // Its last member may still be leaving.
            other => assert!(Instant::now() < until, "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Deletes the records of a partition before this offset.
pub(crate) fn delete_records(brokers: &str, topic: &str, partition: i32, before: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
    administer(brokers, async |admin, options| admin.delete_records(&list, options).await);
}

/// Writes `count` records in one batch of one partition; `payload` is given its number, from `first` on.
pub(crate) fn produce_batch(
    brokers: &str,
    topic: &str,
    partition: i32,
    first: u64,
    count: u64,
    payload: impl Fn(u64) -> String,
) {
    let producer: BaseProducer = config(brokers).set("linger.ms", "100").create().expect("a producer");
    for number in first..first + count {
        let text = payload(number);
        let record = BaseRecord::<(), String>::to(topic).partition(partition).payload(&text);
        producer.send(record).map_err(|(error, _)| error).expect("it is queued");
    }
    producer.flush(Duration::from_secs(60)).expect("all are written");
}

/// Writes `count` records to each partition, one partition after the other: in batches of up to 1 MB.
pub(crate) fn produce_large_batches(brokers: &str, topic: &str, partitions: i32, count: u64, payload: &str) {
    let producer: BaseProducer = config(brokers)
        .set("linger.ms", "200")
        .set("batch.num.messages", "1000000")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .expect("a producer");
    for partition in 0..partitions {
        for _ in 0..count {
            while producer
                .send(BaseRecord::<(), str>::to(topic).partition(partition).payload(payload))
                .is_err()
            {
                producer.poll(Duration::from_millis(10));
            }
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(60)).expect("all are written");
}

/// Writes `count` records, round robin over the partitions; `payload` is given its number, from `first` on.
pub(crate) fn produce(
    brokers: &str,
    topic: &str,
    partitions: i32,
    first: u64,
    count: u64,
    payload: impl Fn(u64) -> String,
) {
    let producer: BaseProducer = config(brokers)
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "500000")
        .create()
        .expect("a producer");
    for (number, partition) in (first..first + count).zip((0..partitions).cycle()) {
        let text = payload(number);
        while producer.send(BaseRecord::<(), String>::to(topic).partition(partition).payload(&text)).is_err()
        {
            producer.poll(Duration::from_millis(10));
        }
        if number % 1000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(60)).expect("all are written");
}

/// Writes single records, each confirmed before it goes on.
pub(crate) struct Writer(BaseProducer);

impl Writer {
    pub(crate) fn new(brokers: &str) -> Self {
        Self(config(brokers).set("linger.ms", "0").create().expect("a producer"))
    }

    pub(crate) fn write(&self, topic: &str, partition: i32, payload: Option<&[u8]>) {
        self.queue(topic, partition, payload);
        self.flush();
    }

    /// Not confirmed before [`flush`](Self::flush).
    pub(crate) fn queue(&self, topic: &str, partition: i32, payload: Option<&[u8]>) {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
        if let Some(payload) = payload {
            record = record.payload(payload);
        }
        self.0.send(record).map_err(|(error, _)| error).expect("it is queued");
    }

    pub(crate) fn flush(&self) {
        self.0.flush(Duration::from_secs(60)).expect("all are written");
    }
}

/// Reads a topic from its beginning, and sees within milliseconds what is added.
pub(crate) struct Tail {
    consumer: BaseConsumer,
    topic: String,
    /// What is read next, by partition.
    next: BTreeMap<i32, i64>,
    brokers: String,
}

impl Tail {
    pub(crate) fn of(brokers: &str, topic: &str, partitions: i32) -> Self {
        let consumer: BaseConsumer = config(brokers)
            .set("group.id", "tail")
            .set("enable.auto.commit", "false")
            .set("fetch.queue.backoff.ms", "10")
            .create()
            .expect("a consumer");
        let next: BTreeMap<_, _> = (0..partitions).map(|partition| (partition, 0)).collect();
        let mut list = TopicPartitionList::new();
        for partition in next.keys() {
            list.add_partition_offset(topic, *partition, Offset::Beginning).expect("a partition");
        }
        consumer.assign(&list).expect("assigned");
        Self { consumer, topic: topic.to_owned(), next, brokers: brokers.to_owned() }
    }

    /// The next payload, which may have to be written first.
    pub(crate) fn next(&mut self, limit: Duration) -> Vec<u8> {
        let until = Instant::now() + limit;
        loop {
            if let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(100)) {
                self.next.insert(message.partition(), message.offset() + 1);
                return message.payload().unwrap_or_default().to_vec();
            }
            assert!(Instant::now() < until, "nothing came to {} within {limit:?}", self.topic);
        }
    }

    /// All payloads up to what is the end now.
    pub(crate) fn rest(&mut self) -> Vec<Vec<u8>> {
        let partitions = i32::try_from(self.next.len()).expect("few");
        let ends = ends(&self.brokers, &self.topic, partitions);
        let mut rest = Vec::new();
        while ends.iter().any(|(partition, end)| self.next[partition] < *end) {
            rest.push(self.next(TIMEOUT));
        }
        rest
    }
}

/// Whether every partition of the cluster has all of its replicas in sync.
pub(crate) fn all_in_sync(brokers: &str, replicas: usize) -> bool {
    let consumer: BaseConsumer = config(brokers).set("group.id", "sync").create().expect("a consumer");
    consumer.fetch_metadata(None, TIMEOUT).is_ok_and(|metadata| {
        let mut partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        partitions.all(|partition| partition.isr().len() == replicas)
    })
}

/// The node that leads each partition.
pub(crate) fn leaders(brokers: &str, topic: &str) -> BTreeMap<i32, i32> {
    let consumer: BaseConsumer = config(brokers).set("group.id", "leaders").create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("an answer");
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    partitions.map(|partition| (partition.id(), partition.leader())).collect()
}

pub(crate) fn ends(brokers: &str, topic: &str, partitions: i32) -> BTreeMap<i32, i64> {
    let consumer: BaseConsumer = config(brokers).set("group.id", "ends").create().expect("a consumer");
    let end = |partition| consumer.fetch_watermarks(topic, partition, TIMEOUT).expect("watermarks").1;
    (0..partitions).map(|partition| (partition, end(partition))).collect()
}

pub(crate) fn committed(brokers: &str, group: &str, topic: &str, partitions: i32) -> BTreeMap<i32, i64> {
    let consumer: BaseConsumer = config(brokers).set("group.id", group).create().expect("a consumer");
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, partitions - 1);
    let until = Instant::now() + TIMEOUT;
    let committed = loop {
        match consumer.committed_offsets(asked.clone(), TIMEOUT) {
            Ok(committed) => break committed,
            // The coordinator may still be starting.
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    };
    let known = committed.elements().into_iter().filter_map(|element| match element.offset() {
        Offset::Offset(next) => Some((element.partition(), next)),
        _ => None,
    });
    known.collect()
}

/// Commits this offset in every partition, with something beside it. Nobody of the group may run.
pub(crate) fn commit_beside(
    brokers: &str,
    group: &str,
    topic: &str,
    partitions: i32,
    next: i64,
    metadata: &str,
) {
    let consumer: BaseConsumer = config(brokers).set("group.id", group).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    list.set_all_offsets(Offset::Offset(next)).expect("an offset");
    for element in &mut list.elements() {
        element.set_metadata(metadata);
    }
    let until = Instant::now() + TIMEOUT;
    // The coordinator may still be starting, and know of a member that has left.
    while let Err(error) = consumer.commit(&list, CommitMode::Sync) {
        assert!(Instant::now() < until, "{error}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// All payloads of a topic, from the beginning to what is the end now.
pub(crate) fn read(brokers: &str, topic: &str, partitions: i32) -> Vec<Vec<u8>> {
    let records = records(brokers, topic, partitions).into_iter();
    records.map(|(_, record)| record.payload.unwrap_or_default().to_vec()).collect()
}

/// All records of a topic, with their partitions.
pub(crate) fn records(brokers: &str, topic: &str, partitions: i32) -> Vec<(i32, OwnedRecord)> {
    let ends = ends(brokers, topic, partitions);
    let mut left: i64 = ends.values().sum();
    let consumer: BaseConsumer = config(brokers)
        .set("group.id", "read")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in ends.keys() {
        list.add_partition_offset(topic, *partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("assigned");
    let mut records = Vec::new();
    let mut until = Instant::now() + Duration::from_secs(30);
    while left > 0 {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
            let headers = message.headers().into_iter().flat_map(Headers::iter);
            let record = OwnedRecord {
                offset: message.offset(),
                timestamp: message.timestamp().to_millis(),
                key: message.key().map(copy),
                payload: message.payload().map(copy),
                headers: headers
                    .map(|header| (copy(header.key.as_bytes()), header.value.map(copy)))
                    .collect(),
            };
            records.push((message.partition(), record));
            left -= 1;
            until = Instant::now() + Duration::from_secs(30);
        }
        assert!(Instant::now() < until, "{left} records of {topic} could not be read");
    }
    records
}
