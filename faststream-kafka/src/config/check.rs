//! Finds what is wrong with the settings, without connecting: the client library itself is asked.

use faststream_core::broker::GroupRequest;
use rdkafka::ClientConfig;
use rdkafka::client::{Client as NativeClient, DefaultClientContext};
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaConfRes, RDKafkaType};

use super::names::{is_mentioned, similar};
use super::refused::reason;
use super::settings::Setting;
use super::{Client, KafkaConfig, addresses};

/// What KIP-848 keeps at the broker, and what to do instead.
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

impl KafkaConfig {
    /// Everything that is wrong, one sentence each: the setting, where it was set, the reason, the cure.
    pub(crate) fn check(&self, groups: &[GroupRequest]) -> Vec<String> {
        let mut faults = self.unreadable.clone();
        let (brokers, source) = self.brokers();
        faults.extend(
            addresses::faults(brokers)
                .into_iter()
                .map(|fault| format!("the brokers' addresses ({source}): {fault}")),
        );
        for (key, name, setting) in self.settings.all() {
            if let Some(fault) = self.fault(name, setting) {
                faults.push(format!("{key} ({}): {fault}", setting.source));
            }
        }
        for request in groups {
            faults.extend(request_faults(request));
        }
        // What the library says of all settings together is of use only when each one is good.
        if faults.is_empty() {
            faults.extend(self.combined(Client::Producer, &self.producer_config()));
            if let Some(request) = groups.first() {
                faults.extend(self.combined(Client::Consumer, &self.consumer_config(request)));
            }
        }
        faults
    }

    fn fault(&self, name: &str, setting: &Setting) -> Option<String> {
        if name == "bootstrap.servers" {
            return None;
        }
        if let Some(reason) = reason(name) {
            return Some(format!("must not be set: {reason}"));
        }
        let at_the_broker = AT_THE_BROKER.iter().find(|(refused, _)| *refused == name);
        let kip848 = self.kip848().filter(|_| !setting.implied);
        if let (Some((_, reason)), Some(protocol)) = (at_the_broker, kip848) {
            return Some(format!("with group.protocol=consumer ({}) {reason}", protocol.source));
        }
        match ClientConfig::new().set(name, &setting.value).create_native_config() {
            Ok(_) => None,
            Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
                let meant = similar(name).map_or_else(
                    || "see librdkafka's CONFIGURATION.md for the names".to_owned(),
                    |meant| format!("did you mean {meant}?"),
                );
                Some(format!("no such property; {meant}"))
            }
            Err(KafkaError::ClientConfig(_, text, ..)) => {
                let shown = setting.shown(name);
                let text = if shown == setting.value { text } else { text.replace(&setting.value, shown) };
                Some(format!("the value {shown:?} is refused: {text}"))
            }
            Err(_) => Some("the value holds a zero byte: remove it".to_owned()),
        }
    }

    /// Makes a client that knows no broker, and so connects to nothing.
    fn combined(&self, client: Client, config: &ClientConfig) -> Option<String> {
        let mut config = config.clone();
        config.remove("bootstrap.servers");
        let kind = match client {
            Client::Consumer => RDKafkaType::RD_KAFKA_CONSUMER,
            Client::Producer => RDKafkaType::RD_KAFKA_PRODUCER,
        };
        let native = config.create_native_config().ok()?;
        match NativeClient::new(&config, native, kind, DefaultClientContext) {
            Ok(_) => None,
            Err(KafkaError::ClientCreation(text)) => Some(self.explain(client, &text)),
            Err(error) => Some(format!("the {client}'s settings are refused: {error}")),
        }
    }

    /// Names where the settings were set that the library's text mentions.
    fn explain(&self, client: Client, text: &str) -> String {
        let mentioned: Vec<_> = self
            .settings
            .of(client)
            .into_iter()
            .filter(|(name, _)| is_mentioned(name, text))
            .map(|(name, setting)| format!("{name}={} is set by {}", setting.shown(name), setting.source))
            .collect();
        let places =
            if mentioned.is_empty() { String::new() } else { format!(" ({})", mentioned.join(", ")) };
        format!("the {client}'s settings do not go together: {text}{places}")
    }
}

fn request_faults(request: &GroupRequest) -> Vec<String> {
    let group = &request.group;
    let mut faults = Vec::new();
    if request.commit_interval.as_millis() == 0 {
        faults.push(format!(
            "group {group}: a commit interval of less than 1 ms; give `GroupSettings::commit_interval` 1 s"
        ));
    }
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    for topic in request.topics.keys() {
        if topic.is_empty() || topic.len() > 249 || !topic.chars().all(legal) {
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
