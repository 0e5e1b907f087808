//! Nobody can print a secret: every property through every way out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use faststream_core::broker::{Broker as _, GroupRequest};
use faststream_core::policy::Start;
use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use super::names::{all_names, canonical, is_harmless};
use super::{KafkaConfig, Secrets, environment, java};
use crate::Kafka;
use crate::native::property_names;

/// What must not be found, whole or in part.
const PARTS: [&str; 2] = ["hunter2", "ter2"];
/// What is given where a secret may be.
const VALUES: [&str; 6] = [
    "hunter2",
    "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"hunter2\";",
    "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
    "hun\0ter2",
    "principal=admin hunter2=hunter2",
    "u:hunter2",
];
/// Whatever has one of these in its name is a secret.
const SECRET: &[&str] = &[
    "password",
    "passphrase",
    "secret",
    "jaas",
    "pem",
    "private.key",
    "key.location",
    "user.info",
    "token",
    "oauthbearer.config",
    "oauthbearer.extensions",
    "keystore.key",
    "kinit.cmd",
    "pasword",
];

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All lines of this process, the library's threads included.
fn log_everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let all =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Log).finish();
        tracing::subscriber::set_global_default(all).expect("nobody else sets one");
    });
}

fn logged() -> String {
    String::from_utf8_lossy(&LOGGED.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

/// Every name of the library, of Java's clients, and some of nobody.
fn names() -> BTreeSet<String> {
    let of_nobody = [
        "sasl.pasword",
        "SASL.PASSWORD",
        "sasl_password",
        "password",
        "ssl.keystore.pasword",
        "hunter",
        "x.y",
    ];
    let java = java::JAVA.iter().map(|(name, _)| *name);
    let listed = all_names().chain(java).chain(of_nobody).map(str::to_owned);
    listed.chain(property_names()).collect()
}

fn request() -> GroupRequest {
    GroupRequest {
        group: "billing".into(),
        topics: BTreeMap::from([("orders".to_owned(), Start::Earliest)]),
        patterns: Vec::new(),
        commit_interval: Duration::from_secs(1),
        drain: Duration::from_secs(5),
    }
}

#[track_caller]
fn assert_clean(text: &str, name: &str) {
    assert!(!PARTS.iter().any(|part| text.contains(part)), "{name}: {text}");
}

/// What a program, a log or a debugger may print of these settings.
fn printed(config: KafkaConfig) -> String {
    let kafka = Kafka::with(config.clone());
    let mut faults = config.check(&[request()]);
    faults.push(kafka.describe());
    format!("{config:?} {kafka:#?} {faults:?} {}", faults.join("; "))
}

/// The settings from each place that they can come from.
fn from_everywhere(name: &str, value: &str) -> Vec<KafkaConfig> {
    let mut configs = vec![KafkaConfig::new("localhost:1").property(name, value)];
    for client in ["consumer", "producer"] {
        configs.push(KafkaConfig::default().property(format!("{client}.{name}"), value));
    }
    let mut by_command = KafkaConfig::default();
    by_command.override_property(name, value);
    configs.push(by_command);
    let from = |variables: &[(String, &str)]| {
        let mut config = KafkaConfig::default();
        environment::read(&mut config, variables.iter().map(|(name, value)| (name.into(), value.into())));
        config
    };
    let variable = format!("KAFKA__{}", name.to_uppercase().replace('.', "_"));
    configs.push(from(&[(variable.clone(), value)]));
    // Holds the secret itself, or names a file with it.
    configs.push(from(&[(format!("{variable}_FILE"), value)]));
    let path = std::env::temp_dir().join(format!("faststream-leaks-{}-{name}", std::process::id()));
    let file = path.to_string_lossy().into_owned();
    fs::write(&path, value).unwrap();
    configs.push(from(&[(format!("{variable}_FILE"), &file)]));
    for text in [
        format!("{name}={value}"),
        format!("{name}: {value}\n"),
        format!("consumer.{name} {value}"),
        format!("{value}\n"),
    ] {
        fs::write(&path, text).unwrap();
        configs.push(from(&[("KAFKA_CONFIG".to_owned(), &file)]));
    }
    configs.push(from(&[("KAFKA_CONFIG".to_owned(), &format!("{name}={value}"))]));
    fs::remove_file(path).unwrap();
    configs
}

#[test]
fn what_has_the_name_of_a_secret_is_not_on_the_list_of_harmless_ones() {
    for name in names() {
        let is_secret = SECRET.iter().any(|part| name.contains(part)) || java::cure(&name).is_some();
        assert!(!is_secret || !is_harmless(&name), "{name}");
    }
    let harmless = names().into_iter().filter(|name| is_harmless(name)).count();
    assert!(harmless > 100, "{harmless}");
}

#[test]
fn every_property_that_the_library_has_is_on_a_list() {
    let listed: BTreeSet<_> = all_names().collect();
    // Pointers and what a client is made of, which no text can be.
    let is_internal = |name: &str| name.ends_with("_cb") || !name.contains('.') && !listed.contains(name);
    let missing: Vec<_> = property_names()
        .into_iter()
        .filter(|name| !is_internal(name) && !listed.contains(name.as_str()))
        .collect();
    assert_eq!(missing, [""; 0], "are their values harmless?");
}

#[test]
fn no_setting_and_no_start_fault_shows_a_secret() {
    let mut values = VALUES.iter().cycle();
    for name in names().iter().filter(|name| !is_harmless(name)) {
        for config in from_everywhere(name, values.next().expect("it goes round")) {
            assert_clean(&printed(config), name);
        }
    }
    for name in ["sasl.jaas.config", "sasl.password", "ssl.key.pem", "sasl.pasword"] {
        for config in VALUES.iter().flat_map(|value| from_everywhere(name, value)) {
            assert_clean(&printed(config), name);
        }
    }
}

/// Properties whose value may be any text, so that nothing tells a secret from it.
const TEXTS: &[&str] = &[
    "bootstrap.servers",
    "broker.version.fallback",
    "client.id",
    "client.rack",
    "client.software.name",
    "group.id",
    "group.instance.id",
    "group.protocol.type",
    "group.remote.assignor",
    "offset.store.path",
    "partition.assignment.strategy",
    "sasl.kerberos.keytab",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanisms",
    "sasl.username",
    "topic.blacklist",
    "transactional.id",
];

#[test]
fn a_secret_that_was_given_to_a_number_or_a_choice_is_not_shown() {
    // Of TLS, this build of the library takes only the names.
    let is_text = |name: &str| {
        let name = canonical(name);
        TEXTS.contains(&name) || name.starts_with("ssl.") || name.starts_with("https.")
    };
    for name in names().iter().filter(|name| is_harmless(name) && !is_text(name)) {
        for value in ["hunter2", "7hunter2", "7 hunter2", "all,hunter2", "0.hunter2"] {
            for config in from_everywhere(name, value) {
                assert_clean(&printed(config), name);
            }
        }
    }
}

#[test]
fn addresses_show_no_login() {
    for brokers in [
        "u:hunter2@h:9092",
        "u:x,hunter2@h:9092",
        "SSL://u:hunter2@h:9092",
        "u:hunter2",
        "h:9092/?p=hunter2",
        "h:9092;hunter2",
    ] {
        for name in ["bootstrap.servers", "metadata.broker.list", "consumer.bootstrap.servers"] {
            assert_clean(&printed(KafkaConfig::default().property(name, brokers)), name);
        }
        let mut config = KafkaConfig::default();
        environment::read(&mut config, [("KAFKA_BROKERS".into(), brokers.into())]);
        assert_clean(&printed(config), brokers);
    }
}

/// The real clients, with everything that the library can say of itself.
#[test]
fn no_client_logs_a_secret_or_says_it_in_an_error() {
    log_everything();
    let mut begun = 0;
    for name in names().iter().filter(|name| !is_harmless(name) && java::cure(name).is_none()) {
        let config = KafkaConfig::new("127.0.0.1:1")
            .property("debug", "all")
            .property("security.protocol", "sasl_plaintext")
            .property("sasl.mechanisms", "PLAIN")
            .property("sasl.username", "u")
            .property("sasl.password", "hunter2hunter2")
            .property(name, "hunter2hunter2");
        let kafka = Kafka::with(config.clone());
        match kafka.producer() {
            Ok(_) => begun += 1,
            Err(error) => assert_clean(&format!("{error} {error:?}"), name),
        }
        let client: ClientConfig = config.consumer_config(&request());
        let secrets = Secrets::of(&client);
        let errors = crate::error_log::ErrorLog::new("test").without(secrets.clone());
        let context = crate::consumer::test_context(errors);
        let made: Result<BaseConsumer<_>, _> = client.create_with_context(context);
        if let Err(error) = made {
            assert_clean(&secrets.hide(&error.to_string()), name);
        }
        // Logins are tried.
        thread::sleep(Duration::from_millis(20));
        drop(kafka);
    }
    let logged = logged();
    assert!(begun > 1 && logged.contains("Client configuration"), "{begun}: {} bytes", logged.len());
    assert_clean(
        &logged.lines().filter(|line| PARTS.iter().any(|part| line.contains(part))).collect::<String>(),
        "log",
    );
}
