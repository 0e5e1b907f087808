//! Finds what is wrong with the settings at startup, without a connection.
//!
//! 1. Variables and files that could not be read, addresses, the memory limit.
//! 2. Each property alone: refused ones, settings of the broker (KIP-848), Java's names, values that the library
//!    misreads, and at last the library's own judgement.
//! 3. The names of topics and the intervals of the groups.
//! 4. All properties together: a client that knows no broker is created for each kind, numbers are compared
//!    (`pairs`). Only if the first three found nothing, because a wrong value makes the library's text misleading.
//!
//! Every fault is one sentence: the property, where it was set, the reason, the fix. Secrets are masked.

use faststream_core::broker::GroupRequest;
use faststream_core::topic_name;
use rdkafka::ClientConfig;
use rdkafka::client::{Client as NativeClient, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaConfRes, RDKafkaType};

use super::names::{is_mentioned, similar};
use super::refused::{reason, refused_value};
use super::settings::{Property, shown_name};
use super::{ClientKind, KafkaConfig, Secrets, addresses, java, values};

/// The properties that KIP-848 moved to the broker, and what to do instead. librdkafka refuses them when the
/// client is created, without naming who set them.
const AT_THE_BROKER: &[(&str, &str)] = &[
    (
        "session.timeout.ms",
        "it is a setting of the group at the broker, `consumer.session.timeout.ms`: remove it here",
    ),
    (
        "heartbeat.interval.ms",
        "it is a setting of the group at the broker, `consumer.heartbeat.interval.ms`: remove it \
         here",
    ),
    (
        "partition.assignment.strategy",
        "the broker assigns: remove it, or choose its assignor with group.remote.assignor",
    ),
    ("group.protocol.type", "it has no meaning: remove it"),
];

/// The longest interval of the statistics, in milliseconds, with which a partition that is not fetched is found
/// within 10 s.
const MOST_STATISTICS: u32 = 4_000;

/// Returns whether stalled partitions are found with this `statistics.interval.ms`: 100 to 4,000 ms. A value that
/// is no number is left to the library.
fn is_watchful(interval: &str) -> bool {
    interval.parse().map_or(true, |interval: u32| (100..=MOST_STATISTICS).contains(&interval))
}

impl KafkaConfig {
    /// Returns everything that is wrong, one sentence each. `groups` are the memberships that the app will have;
    /// without one, the consumers' settings are not checked together. They are checked for the first group only,
    /// as the name is all that differs.
    ///
    /// Called once by the startup, before anything connects. Creates and drops up to two clients of the library,
    /// which start threads, so it is not for use while records are handled.
    pub(crate) fn check(&self, groups: &[GroupRequest]) -> Vec<String> {
        let mut faults = self.unreadable.clone();
        faults.extend(self.address_faults());
        faults.extend(self.memory_fault());
        for (key, name, setting) in self.settings.all() {
            if let Some(fault) = self.fault(name, setting) {
                faults.push(format!("{} ({}): {fault}", shown_name(key, name), setting.source));
            }
        }
        for request in groups {
            faults.extend(request_faults(request));
        }
        // What the library says of all settings together is of use only when each one is good.
        if faults.is_empty() {
            faults.extend(self.contradictions(groups.first()));
            faults.extend(self.contradicting_numbers(ClientKind::Producer, &self.producer_config()));
            let consumer = groups.first().map(|request| self.consumer_config(request));
            faults.extend(
                consumer.iter().flat_map(|config| self.contradicting_numbers(ClientKind::Consumer, config)),
            );
            faults.extend(consumer.iter().flat_map(|config| {
                groups.iter().filter_map(|request| self.drain_fault(&request.group, request.drain, config))
            }));
        }
        faults
    }

    /// Returns the faults of the addresses of both clients. Usually both have the same list, and a fault is
    /// returned once.
    fn address_faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        for client in [ClientKind::Producer, ClientKind::Consumer] {
            let (brokers, source) = self.addresses(client);
            let security = self.settings.get(client, "security.protocol");
            let security = security.map_or(("plaintext".into(), "nobody set it".into()), |setting| {
                (setting.shown("security.protocol"), setting.source.to_string())
            });
            for fault in addresses::faults(brokers, (&security.0, &security.1)) {
                let fault = format!("the brokers' addresses ({source}): {fault}");
                if !found.contains(&fault) {
                    found.push(fault);
                }
            }
        }
        found
    }

    /// Returns the first fault of one property, without its name and origin. `name` is canonical.
    fn fault(&self, name: &str, setting: &Property) -> Option<String> {
        if name == "bootstrap.servers" {
            return None;
        }
        if let Some(reason) = reason(name) {
            return Some(format!("must not be set: {reason}"));
        }
        if name == "statistics.interval.ms" && !is_watchful(&setting.value) {
            return Some(format!(
                "the value {:?} is refused: partitions that are assigned and not fetched are found by the statistics; 100 to \
                 {MOST_STATISTICS}, and 2000 is the default",
                setting.shown(name)
            ));
        }
        let at_the_broker = AT_THE_BROKER.iter().find(|(refused, _)| *refused == name);
        let kip848 = self.kip848().filter(|_| !setting.implied);
        if let (Some((_, reason)), Some(protocol)) = (at_the_broker, kip848) {
            return Some(format!("with group.protocol=consumer ({}) {reason}", protocol.source));
        }
        if name == "group.remote.assignor" && self.kip848().is_none() {
            return Some(
                "it has no effect without group.protocol=consumer: set that, or choose with partition.assignment.strategy".into(),
            );
        }
        let shown = setting.shown(name);
        if let Some(cure) = java::cure(name) {
            return Some(format!("the value {shown:?} is refused: {cure}"));
        }
        if let Some(fault) = values::fault(name, &setting.value) {
            return Some(format!("the value {shown:?} is refused: {fault}"));
        }
        if let Some(reason) = refused_value(name, &setting.value) {
            return Some(format!("the value {shown:?} is refused: {reason}"));
        }
        match ClientConfig::new().set(name, &setting.value).create_native_config() {
            Ok(_) => None,
            Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
                if shown_name(name, name) != name {
                    return Some(
                        "expected key=value, with the name of a property: a value may have come apart here"
                            .into(),
                    );
                }
                let meant = similar(name).map_or_else(
                    || "see librdkafka's CONFIGURATION.md for the names".to_owned(),
                    |meant| format!("did you mean {meant}?"),
                );
                Some(format!("no such property; {meant}"))
            }
            Err(KafkaError::ClientConfig(_, text, ..)) => {
                let text = setting.hidden(name).hide(text.trim_end()).into_owned();
                let taken =
                    values::taken(name).map_or_else(String::new, |taken| format!("; it takes {taken}"));
                Some(format!("the value {shown:?} is refused: {text}{}{taken}", missing_feature(&text)))
            }
            Err(_) => Some("the value holds a zero byte: remove it".to_owned()),
        }
    }

    /// Returns what the library reports about all settings together. A fault that both clients report is returned
    /// once.
    fn contradictions(&self, group: Option<&GroupRequest>) -> Vec<String> {
        let producer = trial(RDKafkaType::RD_KAFKA_PRODUCER, self.producer_config());
        let consumer =
            group.and_then(|group| trial(RDKafkaType::RD_KAFKA_CONSUMER, self.consumer_config(group)));
        if producer == consumer {
            let fault =
                producer.map(|text| format!("the settings {}", self.explain(ClientKind::Consumer, &text)));
            return fault.into_iter().collect();
        }
        [(ClientKind::Producer, producer), (ClientKind::Consumer, consumer)]
            .into_iter()
            .filter_map(|(client, text)| {
                Some(format!("the {client}'s settings {}", self.explain(client, &text?)))
            })
            .collect()
    }

    /// Returns the library's text with the origin of each setting that it mentions, and the missing feature, if
    /// that is the reason.
    fn explain(&self, client: ClientKind, text: &str) -> String {
        let mut secrets = Secrets::default();
        self.settings.of(client).into_iter().for_each(|(name, setting)| secrets.extend(setting.hidden(name)));
        let shown = secrets.hide(text);
        let of_login = |name: &str| name == "sasl.mechanisms" && text.contains("SASL mechanism");
        let mentioned: Vec<_> = self
            .settings
            .of(client)
            .into_iter()
            .filter(|(name, _)| is_mentioned(name, text) || of_login(name))
            .map(|(name, setting)| format!("{name}={} is set by {}", setting.shown(name), setting.source))
            .collect();
        let places =
            if mentioned.is_empty() { String::new() } else { format!(" ({})", mentioned.join(", ")) };
        format!("do not go together: {shown}{places}{}", missing_feature(text))
    }
}

/// The context of a trial client. It logs nothing, because the real client logs the same, with secrets left out.
struct Unheard;

impl ClientContext for Unheard {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, _: KafkaError, _: &str) {}
}

/// Creates a client that knows no broker, and so connects to nothing, and drops it. Returns the library's refusal.
fn trial(kind: RDKafkaType, mut config: ClientConfig) -> Option<String> {
    config.remove("bootstrap.servers");
    let made =
        config.create_native_config().and_then(|native| NativeClient::new(&config, native, kind, Unheard));
    match made {
        Ok(_) => None,
        Err(KafkaError::ClientCreation(text)) => Some(text),
        Err(error) => Some(error.to_string()),
    }
}

/// Returns the fix if the library was built without a feature (GSSAPI, TLS), as the end of a sentence; otherwise
/// nothing.
fn missing_feature(text: &str) -> String {
    let feature = match text {
        _ if text.contains("GSSAPI") || text.contains("libsasl2 not available") => "gssapi",
        _ if text.contains("OpenSSL not available") || text.contains("SASL mechanism SCRAM") => "ssl",
        _ => return String::new(),
    };
    format!("; add `rdkafka = {{ version = \"0.39\", features = [\"{feature}\"] }}` to the dependencies")
}

/// Returns the faults of one membership that do not depend on the client: its commit interval and its topics'
/// names.
fn request_faults(request: &GroupRequest) -> Vec<String> {
    let group = &request.group;
    let mut faults = Vec::new();
    if request.commit_interval.as_millis() == 0 {
        faults.push(format!(
            "group {group}: a commit interval of less than 1 ms; give `GroupSettings::commit_interval` 1 s"
        ));
    }
    for topic in request.topics.keys() {
        if !topic_name::is_legal(topic) {
            faults.push(format!(
                "group {group}: {topic:?} is no name for a topic; it takes 1 to 249 letters, digits, `.`, `_` and `-` (for \
                 several topics use `pattern`)"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests;
