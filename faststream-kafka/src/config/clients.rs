//! What the clients are made with: the defaults of faststream, and what was set on top.

use faststream_core::broker::GroupRequest;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::refused::reason;
use super::settings::Property;
use super::{ClientKind, DEFAULT_BROKERS, KafkaConfig, addresses};

/// Defaults of both clients. A broker that comes back is found again within 2 s.
const SHARED: &[(&str, &str)] = &[
    ("bootstrap.servers", DEFAULT_BROKERS),
    ("client.id", "faststream"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("reconnect.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.timeout.ms", "10000"),
];

/// Defaults of consumers. With a pause of 10 ms instead of librdkafka's 1 s, a tenth of its queue is enough.
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

/// Defaults of consumers in the classic protocol; KIP-848 keeps them at the broker.
const CLASSIC: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("session.timeout.ms", "15000"),
    ("heartbeat.interval.ms", "1000"),
];

/// Defaults of the producer. The partitioner is that of the Java client: one key, one partition, whoever writes.
const PRODUCER: &[(&str, &str)] =
    &[("enable.idempotence", "true"), ("acks", "all"), ("linger.ms", "5"), ("partitioner", "murmur2_random")];

impl KafkaConfig {
    /// What a member of a group is made with.
    pub(crate) fn consumer_config(&self, request: &GroupRequest) -> ClientConfig {
        let mut config = self.group_config(&request.group);
        // librdkafka commits what partitions leave behind. Its timer is off: it would send a second commit while the first
        // is unanswered.
        config
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "0")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "false");
        // The only way to hear in time that it joins.
        let debug = config.get("debug").map_or_else(|| "cgrp".to_owned(), |debug| format!("{debug},cgrp"));
        config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
        config
    }

    /// What a client is made with that asks about a group.
    pub(crate) fn group_config(&self, group: &str) -> ClientConfig {
        let mut config = with(&[SHARED, CONSUMER]);
        if self.kip848().is_none() {
            set(&mut config, CLASSIC);
        }
        self.apply(&mut config, ClientKind::Consumer);
        config.set("group.id", group);
        config
    }

    /// What the producer is made with.
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

    /// What says that the broker assigns partitions, if it does.
    pub(super) fn kip848(&self) -> Option<&Property> {
        self.settings
            .get(ClientKind::Consumer, "group.protocol")
            .filter(|setting| setting.value == "consumer")
    }

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

fn with(defaults: &[&[(&str, &str)]]) -> ClientConfig {
    let mut config = ClientConfig::new();
    for defaults in defaults {
        set(&mut config, defaults);
    }
    config
}

fn set(config: &mut ClientConfig, defaults: &[(&str, &str)]) {
    for (name, value) in defaults {
        config.set(*name, *value);
    }
}
