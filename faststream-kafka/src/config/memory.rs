//! Limits how much a member fetches ahead of its handlers: one limit for all of its partitions together.
//!
//! librdkafka limits each partition separately, and only when the client is created. So the limit is divided by
//! the number of partitions that the member may read, as they are when it joins; `consumer/memory.rs` watches the
//! sum at runtime, and pauses partitions if it comes near the limit. This file is arithmetic only.

use rdkafka::ClientConfig;

use super::{ClientKind, KafkaConfig};

/// The limit if none is set, in bytes: 256 MiB for each member.
const DEFAULT: u64 = 256 << 20;
/// The smallest limit, in bytes: one record of Kafka's default maximum size (`max.message.bytes`, 1 MiB).
const LEAST: u64 = 1 << 20;

/// The limits of librdkafka for each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// Records fetched and not handed out, in KiB (`queued.max.messages.kbytes`).
    queue: u64,
    /// The same as a number of records; below it, more is fetched (`queued.min.messages`).
    records: u64,
    /// What one fetch brings of a partition, in bytes (`fetch.message.max.bytes`). A larger first batch is fetched
    /// all the same.
    fetch: u64,
}

/// Returns the share of each partition.
///
/// * A quarter of the share is for queued records, a sixteenth for the fetch that exceeds the queue, and as much
///   for the copy of a batch in which a call is suspended. The rest covers records that keep a buffer alive.
/// * librdkafka needs about 300 B for each record besides its key and value, which matters for small records. So
///   their number is limited to a thousandth of the share, as if each had 1,000 B.
/// * The upper bounds are those beyond which throughput does not grow (few partitions). The lower bounds are those
///   below which it breaks down (very many partitions); the sum may then exceed the limit, and
///   `consumer/memory.rs` pauses partitions.
fn share(memory: u64, partitions: u64) -> Share {
    let share = memory / partitions.max(1);
    Share {
        queue: (share / 4 / 1024).clamp(64, 4_096),
        records: (share / 1_000).clamp(250, 10_000),
        fetch: (share / 16).clamp(32 << 10, 1 << 20),
    }
}

impl KafkaConfig {
    /// Sets how much memory a member of a group may use for records that are fetched and not yet handled, in
    /// bytes. Default: 256 MiB.
    ///
    /// The limit is divided among all partitions of the topics that the member reads, as they are when it joins.
    /// If all partitions together come near the limit, some stop fetching for others, whatever their number.
    /// Records that handlers hold are not counted.
    ///
    /// A property of librdkafka that is set (`queued.max.messages.kbytes`, `queued.min.messages`,
    /// `fetch.message.max.bytes`, `fetch.max.bytes`) wins over its share; with one of the first two, no partition
    /// stops fetching for others.
    ///
    /// ```
    /// # mod faststream { pub use faststream_kafka as kafka; }
    /// use faststream::kafka::KafkaConfig;
    ///
    /// // 64 MiB for each group that this process is a member of.
    /// let config = KafkaConfig::new("localhost:9092").fetch_memory(64 << 20);
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn fetch_memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Returns the fault of a limit that is too small for one record.
    pub(super) fn memory_fault(&self) -> Option<String> {
        let bytes = self.memory.filter(|bytes| *bytes < LEAST)?;
        Some(format!(
            "`fetch_memory` is {bytes} B, and one record may need 1 MiB: set at least {LEAST} B, or remove it"
        ))
    }

    /// Divides the limit among this number of partitions, and sets the properties in `config`, unless they were
    /// set by the user.
    ///
    /// Returns the limit of all partitions together, in bytes. `None` if limits of single partitions were set
    /// instead: then nothing watches the sum.
    pub(crate) fn share_memory(&self, config: &mut ClientConfig, partitions: u64) -> Option<u64> {
        let memory = self.memory.unwrap_or(DEFAULT);
        let Share { queue, records, fetch } = share(memory, partitions);
        // The answer of one broker is kept as a whole until all of it is handled.
        let answer = (memory / 32).clamp(1 << 20, 50 << 20);
        let limits = [
            ("queued.max.messages.kbytes", queue),
            ("queued.min.messages", records),
            ("fetch.message.max.bytes", fetch),
            ("fetch.max.bytes", answer),
        ];
        let is_set = |name: &str| self.settings.get(ClientKind::Consumer, name).is_some();
        // An answer has to hold what these allow: librdkafka refuses others.
        let are_sizes_set = is_set("message.max.bytes") || is_set("receive.message.max.bytes");
        for (name, value) in limits {
            let is_fixed = is_set(name) || (name == "fetch.max.bytes" && are_sizes_set);
            if !is_fixed {
                config.set(name, value.to_string());
            }
        }
        let is_fixed = is_set("queued.max.messages.kbytes") || is_set("queued.min.messages");
        (!is_fixed).then_some(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_partitions_have_what_they_need_and_many_share_the_bound() {
        let few = Share { queue: 4_096, records: 10_000, fetch: 1 << 20 };
        assert_eq!([0, 1, 10, 16].map(|partitions| share(DEFAULT, partitions)), [few; 4]);
        for partitions in [60, 300, 1_000] {
            let Share { queue, records, fetch } = share(DEFAULT, partitions);
            // Of 2 KB, and of 100 B with what librdkafka adds.
            let (large, small) = (queue * 1024 + fetch, (records + fetch / 100) * 400);
            assert!(partitions * large.max(small) < DEFAULT, "{partitions}: {large} {small}");
        }
        assert_eq!(share(DEFAULT, 1_000_000), Share { queue: 64, records: 250, fetch: 32 << 10 });
    }

    #[test]
    fn what_was_set_for_librdkafka_wins() {
        let config =
            KafkaConfig::new("localhost").fetch_memory(32 << 20).property("queued.min.messages", "7");
        let mut client = ClientConfig::new();
        config.share_memory(&mut client, 64);
        assert_eq!(client.get("queued.max.messages.kbytes"), Some("128"));
        assert_eq!(client.get("fetch.message.max.bytes"), Some("32768"));
        assert_eq!(client.get("queued.min.messages"), None, "set already, with all others");
        assert_eq!(client.get("fetch.max.bytes"), Some("1048576"));
        let mut client = ClientConfig::new();
        config.property("message.max.bytes", "20000000").share_memory(&mut client, 64);
        assert_eq!(client.get("fetch.max.bytes"), None, "it would be refused");
    }

    #[test]
    fn less_than_one_record_is_a_fault() {
        assert!(KafkaConfig::new("localhost").fetch_memory(0).memory_fault().is_some());
        assert_eq!(KafkaConfig::new("localhost").fetch_memory(LEAST).memory_fault(), None);
    }
}
