//! How much a member fetches ahead of its handlers: one bound for all of its partitions.
//!
//! librdkafka bounds each partition by itself, and only when the client is made. So the bound is shared out among all
//! partitions that the member may read; `consumer/memory.rs` watches the sum.

use rdkafka::ClientConfig;

use super::{ClientKind, KafkaConfig};

/// What a member may use if nothing is set.
const DEFAULT: u64 = 256 << 20;
/// Less would be less than one record of Kafka's default limit.
const LEAST: u64 = 1 << 20;

/// What librdkafka may fetch ahead of each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// Fetched and not handed out, in KiB.
    queue: u64,
    /// The same, as a number of records; below it more is fetched.
    records: u64,
    /// What one fetch brings, in bytes.
    fetch: u64,
}

/// A quarter of a share for what is queued, a sixteenth for a fetch that exceeds it, and as much for the copy of a batch in which
/// a call is suspended; the rest for what lies between buffers that are in use. Some 300 B of librdkafka's own go with each record,
/// which matters for small ones: a thousandth of the share, as records of 1,000 B.
///
/// With few partitions these are the limits beyond which throughput does not grow; with very many, those below which it
/// breaks down.
fn share(memory: u64, partitions: u64) -> Share {
    let share = memory / partitions.max(1);
    Share {
        queue: (share / 4 / 1024).clamp(64, 4_096),
        records: (share / 1_000).clamp(250, 10_000),
        fetch: (share / 16).clamp(32 << 10, 1 << 20),
    }
}

impl KafkaConfig {
    /// Sets how much memory a member of a group may use for records that were fetched and not yet handled, in bytes: 256 MiB.
    ///
    /// It is shared out among all partitions of the topics that the member reads, as they are when it joins; and if all
    /// together come near it, some stop fetching for others, whatever their number. What handlers hold comes on top. A property
    /// of librdkafka that is set (`queued.max.messages.kbytes`, `queued.min.messages`, `fetch.message.max.bytes`,
    /// `fetch.max.bytes`) wins over it; with one of the first two, nothing stops.
    #[must_use]
    pub fn fetch_memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// What is wrong with it.
    pub(super) fn memory_fault(&self) -> Option<String> {
        let bytes = self.memory.filter(|bytes| *bytes < LEAST)?;
        Some(format!(
            "`fetch_memory` is {bytes} B, and one record may need 1 MiB: set at least {LEAST} B, or remove it"
        ))
    }

    /// Shares the bound out among so many partitions. Returns it, unless limits of single partitions were set instead.
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
