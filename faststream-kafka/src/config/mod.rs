//! The settings of the Kafka clients: typed for what matters, any property of librdkafka for all else.
//!
//! Collecting them never fails; `check` tells what is wrong, with where it was set.

mod addresses;
mod check;
mod choices;
mod clients;
mod environment;
mod java;
mod memory;
mod names;
mod pairs;
mod properties;
mod refused;
mod secrets;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::panic::Location;
use std::time::Duration;

pub use choices::{Acks, Compression, Protocol, Security};
pub(crate) use secrets::Secrets;
pub(crate) use settings::{ClientKind, Properties};
pub(crate) use source::SettingOrigin;

use choices::milliseconds;

/// Where a broker is looked for if nobody says where.
const DEFAULT_BROKERS: &str = "localhost:9092";

/// The settings of the Kafka clients of one cluster.
///
/// A setting of the program is the weakest: the file that `KAFKA_CONFIG` names wins over it, then the environment, then
/// `-X key=value`. What nobody set has the defaults of faststream, then those of librdkafka.
///
/// ```
/// use std::time::Duration;
///
/// # mod faststream { pub use faststream_kafka as kafka; }
/// use faststream::kafka::{Acks, Compression, Kafka, KafkaConfig, Protocol};
///
/// let config = KafkaConfig::new("one:9092,two:9092")
///     .client_id("billing-1")
///     .protocol(Protocol::Consumer)
///     .session_timeout(Duration::from_secs(30))
///     .fetch_memory(64 << 20)
///     .linger(Duration::from_millis(10))
///     .compression(Compression::Zstd)
///     .acks(Acks::All)
///     .property("socket.keepalive.enable", "true");
/// let kafka = Kafka::with(config);
/// # let _ = kafka;
/// ```
#[derive(Clone, Default)]
pub struct KafkaConfig {
    settings: Properties,
    /// What could not even be read: kept for `check`.
    unreadable: Vec<String>,
    /// What a member may use for what it fetched, in bytes; `None` for the default.
    memory: Option<u64>,
}

impl KafkaConfig {
    /// Settings of the program alone; `brokers` is `host:port,host:port`.
    #[must_use]
    #[track_caller]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self::default().property("bootstrap.servers", brokers)
    }

    /// Settings of the environment: `KAFKA_BROKERS`, `KAFKA_CONFIG` (a properties file), `KAFKA__SECURITY_PROTOCOL` for
    /// `security.protocol` and so on, `KAFKA__SASL_PASSWORD_FILE` for a value that is read from a file.
    #[must_use]
    pub fn from_env() -> Self {
        let mut config = Self::default();
        environment::read(&mut config, std::env::vars_os());
        config
    }

    /// Sets any property of librdkafka. With `consumer.` or `producer.` before its name, only those clients get it.
    #[must_use]
    #[track_caller]
    pub fn property(mut self, key: impl AsRef<str>, value: impl Into<String>) -> Self {
        self.settings.set(key.as_ref(), value, SettingOrigin::Code(Location::caller()));
        self
    }

    /// Sets a property as `-X key=value` does: nothing wins over it.
    pub fn override_property(&mut self, key: impl AsRef<str>, value: impl Into<String>) {
        self.settings.set(key.as_ref(), value, SettingOrigin::CommandLine);
    }

    /// Sets what the brokers' logs and quotas call this program. `faststream`.
    #[must_use]
    #[track_caller]
    pub fn client_id(self, id: impl Into<String>) -> Self {
        self.property("client.id", id)
    }

    /// Sets how partitions are shared out in a group. [`Protocol::Cooperative`].
    #[must_use]
    #[track_caller]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        let place = SettingOrigin::Code(Location::caller());
        self.settings.set("group.protocol", protocol.group_protocol(), place.clone());
        if let Some(assignor) = protocol.assignor() {
            self.settings.imply("partition.assignment.strategy", assignor, place);
        }
        self
    }

    /// Sets the name of this process in its groups (`group.instance.id`, static membership): it keeps its partitions
    /// through a restart that is shorter than the session. Must differ between processes.
    #[must_use]
    #[track_caller]
    pub fn instance_id(self, id: impl Into<String>) -> Self {
        self.property("group.instance.id", id)
    }

    /// Sets after what silence a member is thrown out of its group. 15 s; not with [`Protocol::Consumer`].
    #[must_use]
    #[track_caller]
    pub fn session_timeout(self, timeout: Duration) -> Self {
        self.property("session.timeout.ms", milliseconds(timeout))
    }

    /// Sets how often a member tells its group that it lives, and hears what moves. 1 s; not with [`Protocol::Consumer`].
    #[must_use]
    #[track_caller]
    pub fn heartbeat_interval(self, interval: Duration) -> Self {
        self.property("heartbeat.interval.ms", milliseconds(interval))
    }

    /// Sets how the connection is protected. [`Security::Plaintext`].
    #[must_use]
    #[track_caller]
    pub fn security(self, security: Security) -> Self {
        self.property("security.protocol", security.value())
    }

    /// Sets the login: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, with a name and a password. Needs
    /// [`Security::SaslSsl`] or [`Security::SaslPlaintext`].
    ///
    /// ```
    /// # mod faststream { pub use faststream_kafka as kafka; }
    /// use faststream::kafka::{KafkaConfig, Security};
    ///
    /// let password = std::env::var("KAFKA_PASSWORD").unwrap_or_default();
    /// let config = KafkaConfig::new("localhost:9093").security(Security::SaslSsl).sasl("SCRAM-SHA-512", "billing", password);
    /// // Secrets are masked.
    /// assert!(!format!("{config:?}").contains("hunter2"));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn sasl(
        self,
        mechanism: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.property("sasl.mechanisms", mechanism)
            .property("sasl.username", username)
            .property("sasl.password", password)
    }

    /// Sets how long a record may wait for others of its batch. 5 ms.
    #[must_use]
    #[track_caller]
    pub fn linger(self, linger: Duration) -> Self {
        self.property("linger.ms", (linger.as_secs_f64() * 1_000.0).to_string())
    }

    /// Sets how batches are compressed. [`Compression::None`].
    #[must_use]
    #[track_caller]
    pub fn compression(self, compression: Compression) -> Self {
        self.property("compression.codec", compression.value())
    }

    /// Sets when a record counts as published. [`Acks::All`].
    #[must_use]
    #[track_caller]
    pub fn acks(self, acks: Acks) -> Self {
        self.property("acks", acks.value())
    }

    /// Sets how many batches are on their way to one broker at a time. 5, the most that keeps order and idempotence.
    #[must_use]
    #[track_caller]
    pub fn max_in_flight(self, requests: u32) -> Self {
        self.property("producer.max.in.flight.requests.per.connection", requests.to_string())
    }

    /// The brokers' addresses as they may be printed, and where they were set.
    pub(crate) fn brokers(&self) -> (String, SettingOrigin) {
        let (brokers, source) = self.addresses(ClientKind::Producer);
        (addresses::shown(brokers).into_owned(), source)
    }

    /// The addresses that clients begin with, each with its port.
    pub(crate) fn bootstrap(&self) -> String {
        addresses::plain(self.addresses(ClientKind::Producer).0)
    }

    /// The brokers' addresses for a client as they were given, and where.
    fn addresses(&self, client: ClientKind) -> (&str, SettingOrigin) {
        match self.settings.get(client, "bootstrap.servers") {
            Some(setting) => (&setting.value, setting.source.clone()),
            None => (DEFAULT_BROKERS, SettingOrigin::Default("the default, as KAFKA_BROKERS is not set")),
        }
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaConfig").field(&self.settings).finish()
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Consumer => "consumer",
            Self::Producer => "producer",
        })
    }
}
