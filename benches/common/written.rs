//! Reads back what a run has written: each order must be there once, and behind those of its partition before it.

use std::time::{Duration, Instant};

use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use faststream_kafka::rdkafka::message::Message;
use faststream_kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::cluster::{Cluster, PARTITIONS};
use super::order::Order;

/// How long reading may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// What is wrong with the orders of a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) missing: u64,
    pub(crate) duplicate: u64,
    pub(crate) out_of_order: u64,
}

impl Faults {
    /// Of a topic that was to get the orders 0 to `orders`, each partition its own in their order.
    pub(crate) fn of(cluster: &Cluster, topic: &str, orders: u64) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &cluster.address)
            .set("group.id", "written")
            .set("enable.auto.commit", "false")
            .set("fetch.queue.backoff.ms", "10")
            .create()
            .expect("a consumer");
        let mut places = TopicPartitionList::new();
        let mut left = 0;
        for partition in 0..PARTITIONS {
            let range = consumer.fetch_watermarks(topic, partition, Duration::from_secs(10));
            let (low, high) = range.expect("an answer");
            places.add_partition_offset(topic, partition, Offset::Offset(low)).expect("an offset");
            left += high - low;
        }
        consumer.assign(&places).expect("assigned");
        let mut faults = Self::default();
        let mut seen = vec![false; usize::try_from(orders).expect("fits")];
        let mut last = vec![None; usize::try_from(PARTITIONS).expect("fits")];
        let until = Instant::now() + DEADLINE;
        while left > 0 {
            assert!(Instant::now() < until, "{left} records of {topic} cannot be read within {DEADLINE:?}");
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.expect("a message");
            left -= 1;
            let payload = message.payload().expect("a payload");
            let order: Order = serde_json::from_slice(payload).expect("an order");
            let last = &mut last[usize::try_from(message.partition()).expect("a partition")];
            let is_first = !std::mem::replace(&mut seen[usize::try_from(order.id).expect("fits")], true);
            faults.duplicate += u64::from(!is_first);
            faults.out_of_order += u64::from(is_first && last.is_some_and(|last| last > order.id));
            *last = (*last).max(Some(order.id));
        }
        faults.missing = seen.iter().map(|seen| u64::from(!seen)).sum();
        faults
    }

    /// Adds those of another run.
    pub(crate) fn add(&mut self, other: Self) {
        self.missing += other.missing;
        self.duplicate += other.duplicate;
        self.out_of_order += other.out_of_order;
    }

    pub(crate) fn print(self) {
        let Self { missing, duplicate, out_of_order } = self;
        println!("missing / duplicate / out of order = {missing} / {duplicate} / {out_of_order}");
        assert_eq!(self, Self::default(), "every order is written once, in order");
    }
}
