//! The configuration with which each client is created: faststream's defaults, and the settings on top.
//!
//! There are three kinds: the producer (also the base of admin clients), the member of a group, and a client that
//! only asks about a group. Each call returns a new configuration, so the caller may change it.

use faststream_core::broker::GroupRequest;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::kafka_config::DEFAULT_BROKERS;
use super::refused::reason;
use super::settings::Property;
use super::{ClientKind, KafkaConfig, addresses};

/// The defaults of both kinds of client.
///
/// | property | librdkafka's default | reason |
/// | --- | --- | --- |
/// | `topic.metadata.refresh.interval.ms` | 300000 | new partitions are assigned within 30 s |
/// | `reconnect.backoff.max.ms` | 10000 | a broker that returns is found within 2 s |
/// | `socket.timeout.ms` | 60000 | a request to a frozen broker fails after 10 s |
const SHARED: &[(&str, &str)] = &[
    ("bootstrap.servers", DEFAULT_BROKERS),
    ("client.id", "faststream"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("reconnect.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.timeout.ms", "10000"),
];

/// The defaults of consumers.
///
/// | property | librdkafka's default | reason |
/// | --- | --- | --- |
/// | `auto.offset.reset` | largest | a truncated log repeats records instead of skipping some |
/// | `fetch.wait.max.ms` | 500 | only bounds an idle fetch: a broker answers at once when records arrive |
/// | `fetch.queue.backoff.ms` | 1000 | a plain receive loop reads 220,000 records/s with 1 s, 1.4 million with 10 ms |
/// | `queued.min.messages` | 100000 | with the short pause, a tenth of the queue is as fast |
/// | `queued.max.messages.kbytes` | 65536 | the limit is per partition; `memory` lowers it further |
/// | `check.crcs` | false | a corrupt batch has to be found, not decoded |
/// | `statistics.interval.ms` | 0 | stalled partitions are found by the statistics |
const CONSUMER: &[(&str, &str)] = &[
    ("group.protocol", "classic"),
    ("auto.offset.reset", "earliest"),
    ("fetch.wait.max.ms", "400"),
    ("fetch.queue.backoff.ms", "10"),
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "4096"),
    ("check.crcs", "true"),
    ("statistics.interval.ms", "2000"),
];

/// The defaults of consumers in the classic protocol. With KIP-848 these are settings of the broker, and
/// librdkafka refuses them.
///
/// A session of 15 s instead of 45 s frees the partitions of a crashed process sooner. A heartbeat of 1 s instead
/// of 3 s shortens every rebalance, by 2 s with `cooperative-sticky`.
const CLASSIC: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("session.timeout.ms", "15000"),
    ("heartbeat.interval.ms", "1000"),
];

/// The defaults of the producer. `murmur2_random` is the partitioner of the Java client: a key goes to the same
/// partition, whatever client writes it.
const PRODUCER: &[(&str, &str)] =
    &[("enable.idempotence", "true"), ("acks", "all"), ("linger.ms", "5"), ("partitioner", "murmur2_random")];

impl KafkaConfig {
    /// Returns the configuration of a member of a group.
    ///
    /// librdkafka commits the stored offsets of revoked partitions and at the close (`enable.auto.commit`). Its
    /// timer is off, because it would send a second commit while the first is unanswered: faststream commits by
    /// its own timer. Offsets are stored only for finished records (`enable.auto.offset.store=false`), and ends of
    /// partitions are no records (`enable.partition.eof=false`).
    ///
    /// The debug lines of `cgrp` are turned on: they are the only timely source for the state of the join
    /// (`consumer/joining.rs` reads them).
    pub(crate) fn consumer_config(&self, request: &GroupRequest) -> ClientConfig {
        let mut config = self.group_config(&request.group);
        config
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "0")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "false");
        let debug = config.get("debug").map_or_else(|| "cgrp".to_owned(), |debug| format!("{debug},cgrp"));
        config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
        config
    }

    /// Returns the configuration of a client that asks about a group, and does not join it. The base of
    /// [`consumer_config`](Self::consumer_config).
    pub(crate) fn group_config(&self, group: &str) -> ClientConfig {
        let mut config = with(&[SHARED, CONSUMER]);
        if self.kip848().is_none() {
            set(&mut config, CLASSIC);
        }
        self.apply(&mut config, ClientKind::Consumer);
        config.set("group.id", group);
        config
    }

    /// Returns the configuration of the producer and of admin clients.
    ///
    /// `acks` below `all` without an explicit `enable.idempotence` turns idempotence off: librdkafka would refuse
    /// the two together.
    pub(crate) fn producer_config(&self) -> ClientConfig {
        let mut config = with(&[SHARED, PRODUCER]);
        let set_here = |name: &str| self.settings.get(ClientKind::Producer, name);
        let weak_acks = set_here("acks").is_some_and(|acks| !matches!(acks.value.as_str(), "all" | "-1"));
        if weak_acks && set_here("enable.idempotence").is_none() {
            config.set("enable.idempotence", "false");
        }
        self.apply(&mut config, ClientKind::Producer);
        config
    }

    /// Returns the setting that makes the broker assign partitions (KIP-848), if there is one.
    pub(super) fn kip848(&self) -> Option<&Property> {
        self.settings
            .get(ClientKind::Consumer, "group.protocol")
            .filter(|setting| setting.value == "consumer")
    }

    /// Adds the settings for `client`. Refused properties are left out (the startup has reported them), and so is
    /// the implied assignor of a classic protocol if KIP-848 is in use.
    fn apply(&self, config: &mut ClientConfig, client: ClientKind) {
        for (name, setting) in self.settings.of(client) {
            let gives_way = setting.implied && self.kip848().is_some();
            if name == "bootstrap.servers" {
                config.set(name, addresses::plain(&setting.value));
            } else if !gives_way && reason(name).is_none() {
                config.set(name, &setting.value);
            }
        }
    }
}

/// Returns a configuration with these lists of defaults; a later list wins.
fn with(defaults: &[&[(&str, &str)]]) -> ClientConfig {
    let mut config = ClientConfig::new();
    for defaults in defaults {
        set(&mut config, defaults);
    }
    config
}

/// Adds one list of defaults.
fn set(config: &mut ClientConfig, defaults: &[(&str, &str)]) {
    for (name, value) in defaults {
        config.set(*name, *value);
    }
}
