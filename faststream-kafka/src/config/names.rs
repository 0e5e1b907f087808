//! The names of the library's properties: aliases, which client each is for, whether its value may be printed, and
//! which name a misspelt one may have meant.
//!
//! The library itself decides what is valid, so a property that is missing here still works; it only is not
//! printed, and goes to both clients. The tests of this file compare the lists with the library.

/// Properties of consumers alone, with values that may be printed. A producer that gets one logs a warning.
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

/// Properties of producers alone, with values that may be printed.
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

/// Properties of both clients with values that may be printed.
const SHARED: &[&str] = &[
    "allow.auto.create.topics",
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "builtin.features",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "client.software.name",
    "connections.max.idle.ms",
    "debug",
    "enable.metrics.push",
    "enable.random.seed",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.sparse.connections",
    "enable.ssl.certificate.verification",
    "enabled_events",
    "https.ca.location",
    "internal.termination.signal",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "max.in.flight.requests.per.connection",
    "message.copy.max.bytes",
    "message.max.bytes",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metadata.request.timeout.ms",
    "receive.message.max.bytes",
    "reconnect.backoff.jitter.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanisms",
    "sasl.username",
    "security.protocol",
    "socket.blocking.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.certificate.stores",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.keystore.location",
    "ssl.providers",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "test.mock.broker.rtt",
    "test.mock.num.brokers",
    "topic.blacklist",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.cnt",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

/// Properties of both clients with values that are never printed: they hold secrets, lead to one, or are arbitrary
/// text. A property that is on no list is not printed either.
const GUARDED: &[&str] = &[
    "https.ca.pem",
    "plugin.library.paths",
    "sasl.kerberos.kinit.cmd",
    "sasl.oauthbearer.assertion.algorithm",
    "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    "sasl.oauthbearer.assertion.claim.iss",
    "sasl.oauthbearer.assertion.claim.jti.include",
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.claim.sub",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "ssl.engine.id",
    "ssl.engine.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Alias, and the canonical name under which the setting is kept. A property that was set under both names has one
/// value then, that of the stronger source.
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

/// Properties whose value is a path although their names end in `.file`. `KAFKA__..._FILE` sets them directly.
const PATHS: &[&str] = &[
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
];

/// Returns the name under which a property is kept.
pub(super) fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, kept)| kept)
}

/// Returns whether a text of the library mentions the property, under any of its names.
pub(super) fn is_mentioned(name: &str, text: &str) -> bool {
    let quoted = |name: &str| text.contains(&format!("`{name}`"));
    quoted(name) || ALIASES.iter().any(|(alias, kept)| *kept == name && quoted(alias))
}

/// Returns whether its value is a number (or, for some, a word in place of one), by the end of its name. Decides
/// whether `10s` is a fault.
pub(super) fn is_number(name: &str) -> bool {
    let units =
        [".ms", "bytes", ".messages", ".seconds", ".level", ".cnt", ".ttl", ".fails", ".size", ".threshold"];
    let counts = [
        "acks",
        "enabled_events",
        "internal.termination.signal",
        "log_level",
        "max.in.flight.requests.per.connection",
        "retries",
        "sasl.kerberos.min.time.before.relogin",
        "test.mock.num.brokers",
        "test.mock.broker.rtt",
    ];
    counts.contains(&name) || (is_known(name) && units.iter().any(|unit| name.ends_with(unit)))
}

/// Returns whether only consumers take it.
pub(super) fn is_for_consumers(name: &str) -> bool {
    CONSUMER.contains(&name)
}

/// Returns whether only producers take it.
pub(super) fn is_for_producers(name: &str) -> bool {
    PRODUCER.contains(&name)
}

/// Returns whether its value is a path although its name ends like that of a secret's file.
pub(super) fn is_path(name: &str) -> bool {
    PATHS.contains(&name)
}

/// Returns whether its value may be printed. A value whose name is on none of these lists may not: it may be a
/// misspelt `sasl.password`.
pub(super) fn is_harmless(name: &str) -> bool {
    [CONSUMER, PRODUCER, SHARED].iter().any(|list| list.contains(&canonical(name)))
}

/// Returns whether the library has such a property.
pub(super) fn is_known(name: &str) -> bool {
    is_harmless(name) || GUARDED.contains(&canonical(name))
}

/// Returns whether an unknown name is certainly a name, and not a line of a secret that was read as one: short
/// words of small letters, with dots between them, or similar to a known name.
pub(super) fn is_name(name: &str) -> bool {
    let is_word = |word: &str| {
        word.len() <= 20
            && word.starts_with(|letter: char| letter.is_ascii_lowercase())
            && word.chars().all(|letter| letter.is_ascii_lowercase() || "_-".contains(letter))
    };
    let mut words = name.split('.');
    (name.contains('.') && words.all(is_word)) || similar(name).is_some()
}

/// Returns every name of these lists.
#[cfg(test)]
pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
    let aliases = ALIASES.iter().flat_map(|(alias, name)| [*alias, *name]);
    [CONSUMER, PRODUCER, SHARED, GUARDED, PATHS].into_iter().flatten().copied().chain(aliases)
}

/// Returns the known property that `name` may have meant: the closest one within an edit distance of a quarter of
/// its length (2 to 5), or one that begins with it.
pub(super) fn similar(name: &str) -> Option<&'static str> {
    let wanted: String = name.to_lowercase().replace(['_', '-'], ".");
    let begun = format!("{wanted}.");
    let known = CONSUMER.iter().chain(PRODUCER).chain(SHARED).chain(GUARDED).copied();
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

/// Returns the edit distance (Levenshtein): how many bytes have to be inserted, removed or changed.
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
    fn is_taken(name: &str) -> bool {
        let answer = ClientConfig::new().set(name, "no-such-value").create_native_config();
        !matches!(answer, Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)))
    }

    #[test]
    fn the_library_knows_every_name_of_the_list() {
        for name in CONSUMER.iter().chain(PRODUCER).chain(SHARED).chain(GUARDED).copied() {
            assert!(is_taken(name), "{name}");
        }
        for path in PATHS {
            assert!(is_taken(path), "{path}");
        }
        for (alias, kept) in ALIASES {
            assert!(is_taken(alias) && is_taken(kept), "{alias} {kept}");
        }
        assert!(!is_taken("sesion.timeout.ms"));
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
    fn what_protects_a_login_is_not_shown() {
        for name in [
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "sasl.pasword",
        ] {
            assert!(!is_harmless(name), "{name}");
        }
        for name in ["sasl.username", "sasl.mechanism", "ssl.ca.location", "client.id"] {
            assert!(is_harmless(name), "{name}");
        }
    }

    #[test]
    fn a_line_of_a_secret_is_not_taken_for_a_name() {
        for name in ["wrong.property.name", "sasl.pasword", "linger", "SASL_PASSWORD"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "hunter2",
            "MIIEvQIBADANBgkqhkiG9w0BAQ",
            "-----BEGIN",
            "a.b2.c",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi",
            "a..b",
            "",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
