use std::collections::BTreeMap;
use std::time::Duration;

use faststream_core::policy::Start;

use super::*;
use crate::config::{Acks, Protocol, Security};

fn request() -> GroupRequest {
    GroupRequest {
        group: "billing".into(),
        topics: BTreeMap::from([("orders".to_owned(), Start::Earliest)]),
        patterns: Vec::new(),
        commit_interval: Duration::from_secs(1),
        drain: Duration::from_secs(5),
    }
}

fn faults(config: &KafkaConfig) -> Vec<String> {
    config.check(&[request()])
}

/// The one fault there is.
#[track_caller]
fn fault(config: &KafkaConfig) -> String {
    let faults = faults(config);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.into_iter().next().unwrap()
}

fn config() -> KafkaConfig {
    KafkaConfig::new("localhost:9092")
}

#[test]
fn the_defaults_are_accepted_in_every_protocol() {
    for protocol in [Protocol::Cooperative, Protocol::Range, Protocol::Consumer] {
        assert_eq!(faults(&config().protocol(protocol)), Vec::<String>::new(), "{protocol:?}");
    }
}

#[test]
fn what_carries_the_guarantees_is_refused_with_the_reason_and_the_place() {
    for (name, value) in [
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "true"),
        ("auto.commit.interval.ms", "100"),
        ("enable.partition.eof", "true"),
        ("auto.commit.enable", "false"),
        ("consumer.enable.auto.commit", "false"),
        ("group.id", "other"),
        ("transactional.id", "me"),
        ("delivery.report.only.error", "true"),
    ] {
        let fault = fault(&config().property(name, value));
        assert!(fault.contains("must not be set: "), "{fault}");
        assert!(fault.contains("tests.rs:"), "{fault}");
    }
}

#[test]
fn statistics_that_would_find_no_deaf_partition_are_refused() {
    for value in ["0", "99", "60000"] {
        let fault = fault(&config().property("statistics.interval.ms", value));
        assert!(fault.contains("not fetched are found by the statistics"), "{fault}");
    }
    assert_eq!(config().property("statistics.interval.ms", "1000").check(&[request()]), [""; 0]);
}

#[test]
fn a_refused_property_does_not_reach_the_client() {
    let client = config().property("enable.auto.commit", "false").consumer_config(&request());
    assert_eq!(client.get("enable.auto.commit"), Some("true"));
    let producer = config().property("transactional.id", "me").producer_config();
    assert_eq!(producer.get("transactional.id"), None);
}

#[test]
fn an_unknown_property_is_named_with_the_one_that_was_meant() {
    let fault = fault(&config().property("sesion.timeout.ms", "1"));
    assert!(fault.starts_with("sesion.timeout.ms ("), "{fault}");
    assert!(fault.ends_with("no such property; did you mean session.timeout.ms?"), "{fault}");
}

#[test]
fn a_java_property_is_explained() {
    let jaas = fault(&config().property("sasl.jaas.config", "x"));
    assert!(jaas.contains("sasl.jaas.config ("), "{jaas}");
}

#[test]
fn a_value_that_the_library_refuses_is_told_with_its_text() {
    let range = fault(&config().property("fetch.min.bytes", "0"));
    assert!(range.contains("the value \"0\" is refused") && range.contains("range"), "{range}");
    let number = fault(&config().property("linger.ms", "soon"));
    assert!(number.contains("the value \"***\" is refused"), "{number}");
    let choice = fault(&config().property("isolation.level", "none"));
    assert!(
        choice.contains("isolation.level") && choice.contains("it takes read_committed or read_uncommitted"),
        "{choice}"
    );
    let zero = fault(&config().property("client.id", "a\0b"));
    assert!(zero.contains("zero byte"), "{zero}");
}

#[test]
fn settings_that_kip848_keeps_at_the_broker_are_refused_there_only() {
    for (name, value) in [
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "500"),
        ("partition.assignment.strategy", "range"),
        ("group.protocol.type", "consumer"),
    ] {
        assert_eq!(faults(&config().property(name, value)), Vec::<String>::new(), "{name}");
        let fault = fault(&config().property(name, value).protocol(Protocol::Consumer));
        assert!(fault.contains("group.protocol=consumer"), "{fault}");
    }
}

#[test]
fn the_assignor_of_a_protocol_gives_way_when_the_environment_chooses_another_protocol() {
    let mut config = config().protocol(Protocol::Range);
    assert_eq!(config.consumer_config(&request()).get("partition.assignment.strategy"), Some("range"));
    config.override_property("group.protocol", "consumer");
    assert_eq!(faults(&config), Vec::<String>::new());
    let client = config.consumer_config(&request());
    for absent in ["partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"] {
        assert_eq!(client.get(absent), None, "{absent}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_told_with_their_places() {
    let config = config().property("max.poll.interval.ms", "6000").session_timeout(Duration::from_secs(10));
    let fault = fault(&config);
    assert!(fault.contains("the consumer's settings do not go together"), "{fault}");
    assert!(fault.contains("session.timeout.ms=10000 is set by "), "{fault}");
    assert!(fault.contains("max.poll.interval.ms=6000 is set by "), "{fault}");
}

#[test]
fn weak_acks_turn_idempotence_off_unless_it_was_asked_for() {
    let weak = config().acks(Acks::Leader);
    assert_eq!(weak.producer_config().get("enable.idempotence"), Some("false"));
    assert_eq!(faults(&weak), Vec::<String>::new());
    let fault = fault(&weak.property("enable.idempotence", "true"));
    assert!(fault.contains("the producer's settings do not go together"), "{fault}");
    assert!(fault.contains("acks=1 is set by "), "{fault}");
}

#[test]
fn more_requests_in_flight_than_keep_order_are_refused() {
    let fault = fault(&config().max_in_flight(6));
    assert!(fault.contains("max.in.flight") && fault.contains("set by"), "{fault}");
}

#[test]
fn addresses_are_checked_and_say_where_they_come_from() {
    let port = fault(&KafkaConfig::new("9092"));
    assert!(port.contains("tests.rs:") && port.contains("is a port alone; write host:port"), "{port}");
    assert!(fault(&KafkaConfig::new("")).contains("no address is given"));
    assert!(fault(&KafkaConfig::new("kafka:http")).contains("no valid port"));
}

#[test]
fn all_faults_are_told_at_once_and_secrets_in_none() {
    let config = config()
        .property("sasl.pasword", "hunter2")
        .property("ssl.key.password", "hun\0ter2")
        .property("fetch.min.bytes", "0")
        .property("enable.auto.commit", "true");
    let faults = faults(&config);
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(!faults.concat().contains("ter2"), "{faults:?}");
}

#[test]
fn names_that_no_topic_can_have_are_told() {
    let mut request = request();
    request.topics.insert("^logs.*".into(), Start::Earliest);
    request.commit_interval = Duration::ZERO;
    let faults = config().check(&[request]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[1].contains("\"^logs.*\" is no name for a topic"), "{faults:?}");
}

#[test]
fn each_client_gets_what_is_for_it() {
    let config = config()
        .property("linger.ms", "1")
        .property("fetch.min.bytes", "2")
        .property("client.id", "both")
        .property("producer.client.id", "writer");
    let (consumer, producer) = (config.consumer_config(&request()), config.producer_config());
    assert_eq!(consumer.get("linger.ms"), None);
    assert_eq!(producer.get("linger.ms"), Some("1"));
    assert_eq!(consumer.get("fetch.min.bytes"), Some("2"));
    assert_eq!(producer.get("fetch.min.bytes"), None);
    assert_eq!(consumer.get("client.id"), Some("both"));
    assert_eq!(producer.get("client.id"), Some("writer"));
    assert_eq!(consumer.get("group.id"), Some("billing"));
    assert_eq!(consumer.get("auto.commit.interval.ms"), Some("0"));
}

#[test]
fn debug_shows_settings_and_masks_secrets() {
    let config = config().sasl("PLAIN", "alice", "hunter2");
    let debug = format!("{config:?}");
    assert!(debug.contains("alice") && debug.contains("localhost:9092"), "{debug}");
    assert!(debug.contains("***") && !debug.contains("hunter2"), "{debug}");
}

#[test]
fn what_was_not_built_in_is_told_with_the_feature_that_builds_it_in() {
    let ssl = fault(&config().security(Security::Ssl));
    assert!(ssl.contains("\"ssl\" is refused") && ssl.contains("features = [\"ssl\"]"), "{ssl}");
    let scram = fault(&config().security(Security::SaslPlaintext).sasl("SCRAM-SHA-256", "alice", "hunter2"));
    assert!(scram.starts_with("the settings do not go together: "), "{scram}");
    assert!(
        scram.contains("features = [\"ssl\"]") && scram.contains("sasl.mechanisms=SCRAM-SHA-256"),
        "{scram}"
    );
    let kerberos = fault(&config().security(Security::SaslPlaintext));
    assert!(kerberos.contains("features = [\"gssapi\"]"), "{kerberos}");
    let plain = config().security(Security::SaslPlaintext).sasl("PLAIN", "alice", "hunter2");
    assert_eq!(faults(&plain), Vec::<String>::new());
}

#[test]
fn every_typed_setting_is_looked_at() {
    let (zero, most) = (Duration::ZERO, Duration::MAX);
    let sasl = |mechanism: &str, user: &str| {
        config().security(Security::SaslPlaintext).sasl(mechanism, user, "hunter2")
    };
    let cases: Vec<(&str, KafkaConfig, &str)> = vec![
        ("property", config().property("session.timeout.ms", "15s"), "no plain number"),
        ("property", config().property("session.timeout.ms", "015000"), "no plain number"),
        ("property", config().property("fetch.max.bytes", "4294967296"), "too large"),
        ("property", config().property("auto.offset.reset", "latest"), "`start = Latest`"),
        ("property", config().property("queuing.strategy", "LIFO"), "another order"),
        ("property", config().property("enabled_events", "0"), "must not be set"),
        ("property", config().property("group.remote.assignor", "uniform"), "no effect"),
        ("property", config().property("max.poll.interval.ms", "0"), "max.poll.interval.ms"),
        ("property", config().property("message.timeout.ms", "-5"), "message.timeout.ms"),
        (
            "property",
            config().property("fetch.min.bytes", "2000000").property("fetch.max.bytes", "1000000"),
            "has to be at most",
        ),
        (
            "property",
            config().property("retry.backoff.ms", "9000"),
            "has to be at most retry.backoff.max.ms=1000 (the default)",
        ),
        (
            "property",
            config().property("message.timeout.ms", "5000").property("request.timeout.ms", "9000"),
            "given up on before",
        ),
        (
            "property",
            config().property("max.poll.interval.ms", "5000").property("session.timeout.ms", "4000"),
            "the drain time (5s)",
        ),
        ("client_id", config().client_id("a\nb"), "control character"),
        ("client_id", config().client_id("a\0b"), "zero byte"),
        ("instance_id", config().instance_id(""), "the value is empty"),
        ("instance_id", config().instance_id("a\tb"), "control character"),
        ("session_timeout", config().session_timeout(zero), "session.timeout.ms"),
        ("session_timeout", config().session_timeout(Duration::from_millis(4_294_982_296)), "too large"),
        ("session_timeout", config().session_timeout(most), "too large"),
        (
            "session_timeout",
            config().session_timeout(Duration::from_millis(900)),
            "less than session.timeout.ms=900",
        ),
        ("heartbeat_interval", config().heartbeat_interval(zero), "heartbeat.interval.ms"),
        (
            "heartbeat_interval",
            config().heartbeat_interval(Duration::from_secs(15)),
            "thrown out between two heartbeats",
        ),
        ("heartbeat_interval", config().heartbeat_interval(most), "too large"),
        ("linger", config().linger(most), "linger.ms"),
        ("linger", config().linger(Duration::from_secs(600)), "linger.ms"),
        ("max_in_flight", config().max_in_flight(0), "max.in.flight"),
        ("max_in_flight", config().max_in_flight(6), "max.in.flight"),
        ("max_in_flight", config().max_in_flight(u32::MAX), "too large"),
        ("sasl", sasl("PLAIN\n", "u"), "control character"),
        ("sasl", sasl("plain text", "u"), "sasl.mechanisms"),
        ("security", config().security(Security::Ssl), "\"ssl\""),
        ("acks", config().acks(Acks::None).property("enable.idempotence", "true"), "acks"),
        (
            "protocol",
            config().protocol(Protocol::Consumer).session_timeout(Duration::from_secs(9)),
            "group.protocol=consumer",
        ),
    ];
    for (setting, config, part) in &cases {
        let found = faults(config).join("\n");
        assert!(found.contains(part), "{setting}: {part} is missing in: {found}");
        assert!(!found.contains("ter2"), "{found}");
    }
    let looked_at: std::collections::BTreeSet<_> = cases.iter().map(|(setting, ..)| *setting).collect();
    for line in include_str!("../mod.rs").lines() {
        let Some(setting) = line.trim().strip_prefix("pub fn ").and_then(|rest| rest.split('(').next())
        else {
            continue;
        };
        // The first two make the settings, the others take a closed set or are `property` under another name.
        let others = ["new", "from_env", "override_property", "compression"];
        assert!(others.contains(&setting) || looked_at.contains(setting), "{setting} is not looked at");
    }
}

#[test]
fn numbers_at_the_edge_are_accepted() {
    for config in [
        config().linger(Duration::ZERO),
        config().linger(Duration::from_micros(500)),
        config().session_timeout(Duration::from_secs(3)).heartbeat_interval(Duration::from_millis(1)),
        config().max_in_flight(1),
        config().property("message.timeout.ms", "0"),
        config().property("message.timeout.ms", "3000"),
        config().property("request.timeout.ms", "9000").property("message.timeout.ms", "0"),
    ] {
        assert_eq!(faults(&config), [""; 0]);
    }
}
