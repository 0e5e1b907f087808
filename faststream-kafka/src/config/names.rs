//! The names of the client library's properties: aliases, which client they are for, what a misspelt one may have meant.
//!
//! The library itself decides what is valid; this list only has to be good at guessing, and a test holds it to the library.

/// Properties of consumers alone: a producer that gets one complains.
const CONSUMER: &[&str] = &[
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.poll.interval.ms",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

/// Properties of producers alone.
const PRODUCER: &[&str] = &[
    "acks",
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "delivery.report.only.error",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "linger.ms",
    "message.timeout.ms",
    "partitioner",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queuing.strategy",
    "request.timeout.ms",
    "retries",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// Properties of both.
const SHARED: &[&str] = &[
    "allow.auto.create.topics",
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "connections.max.idle.ms",
    "debug",
    "enable.metrics.push",
    "enable.random.seed",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.ssl.certificate.verification",
    "log.connection.close",
    "log_level",
    "max.in.flight.requests.per.connection",
    "message.copy.max.bytes",
    "message.max.bytes",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.providers",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

/// Second names, and the one under which we keep the setting: given under both, the higher source has to win.
const ALIASES: &[(&str, &str)] = &[
    ("auto.commit.enable", "enable.auto.commit"),
    ("compression.type", "compression.codec"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("message.send.max.retries", "retries"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("sasl.mechanism", "sasl.mechanisms"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
];

/// Properties that are paths, and whose names end in `.file`.
const PATHS: &[&str] = &[
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
];

/// The name under which a property is kept.
pub(super) fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, kept)| kept)
}

/// Whether a text of the library speaks of the property, under any of its names.
pub(super) fn is_mentioned(name: &str, text: &str) -> bool {
    let quoted = |name: &str| text.contains(&format!("`{name}`"));
    quoted(name) || ALIASES.iter().any(|(alias, kept)| *kept == name && quoted(alias))
}

/// Whether only consumers take it.
pub(super) fn is_for_consumers(name: &str) -> bool {
    CONSUMER.contains(&name)
}

/// Whether only producers take it.
pub(super) fn is_for_producers(name: &str) -> bool {
    PRODUCER.contains(&name)
}

/// Whether its value is a path although its name ends like that of a secret's file.
pub(super) fn is_path(name: &str) -> bool {
    PATHS.contains(&name)
}

/// Whether its value must never be printed.
pub(super) fn is_secret(name: &str) -> bool {
    ["password", "passphrase", "secret", "private.key", "key.pem", "oauthbearer.config"]
        .iter()
        .any(|part| name.contains(part))
}

/// The property that `name` may have meant.
pub(super) fn similar(name: &str) -> Option<&'static str> {
    let wanted: String = name.to_lowercase().replace(['_', '-'], ".");
    let begun = format!("{wanted}.");
    let known = CONSUMER.iter().chain(PRODUCER).chain(SHARED).copied();
    let aliases = ALIASES.iter().map(|(alias, _)| *alias);
    known
        .chain(aliases)
        .map(|candidate| (distance(&wanted, candidate), candidate))
        .filter(|(distance, candidate)| {
            candidate.starts_with(&begun) || *distance <= (candidate.len() / 4).clamp(2, 5)
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, left out or changed.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::error::KafkaError;
    use rdkafka::types::RDKafkaConfRes;

    use super::*;

    /// Asks the library for a value that no property takes: only the unknown ones are refused as unknown.
    fn is_known(name: &str) -> bool {
        let answer = ClientConfig::new().set(name, "no-such-value").create_native_config();
        !matches!(answer, Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)))
    }

    #[test]
    fn the_library_knows_every_name_of_the_list() {
        for name in CONSUMER.iter().chain(PRODUCER).chain(SHARED).copied() {
            assert!(is_known(name), "{name}");
        }
        for path in PATHS {
            assert!(is_known(path), "{path}");
        }
        for (alias, kept) in ALIASES {
            assert!(is_known(alias) && is_known(kept), "{alias} {kept}");
        }
        assert!(!is_known("sesion.timeout.ms"));
    }

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        assert_eq!(similar("sesion.timeout.ms"), Some("session.timeout.ms"));
        assert_eq!(similar("session_timeout_ms"), Some("session.timeout.ms"));
        assert_eq!(similar("sasl.pasword"), Some("sasl.password"));
        assert_eq!(similar("compresion.type"), Some("compression.type"));
        assert_eq!(similar("linger"), Some("linger.ms"));
        assert_eq!(similar("wrong.property.name"), None);
    }

    #[test]
    fn what_protects_a_login_is_a_secret() {
        for name in ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["sasl.username", "ssl.ca.pem", "ssl.key.location", "client.id"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
