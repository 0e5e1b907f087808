//! The settings as the program gives them: typed setters for what matters, and any property of librdkafka.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::choices::milliseconds;
use super::{
    Acks, ClientKind, Compression, Properties, Protocol, Security, SettingOrigin, addresses, environment,
};

/// The addresses if neither the program nor the environment names any: the port of a broker on the developer's own
/// machine.
pub(super) const DEFAULT_BROKERS: &str = "localhost:9092";

/// The settings of the Kafka clients of one cluster.
///
/// A later row wins over an earlier one. Within a row, the last call wins:
///
/// | source | example |
/// | --- | --- |
/// | librdkafka's defaults | `retries=2147483647` |
/// | faststream's defaults | `session.timeout.ms=15000` |
/// | the program | `.property("session.timeout.ms", "20000")` |
/// | the file that `KAFKA_CONFIG` names | `session.timeout.ms=20000` |
/// | the environment | `KAFKA__SESSION_TIMEOUT_MS=20000` |
/// | the command line | `-X session.timeout.ms=20000` |
///
/// [`KafkaConfig::new`] does not read the file and the environment; [`KafkaConfig::from_env`] does. A setter that
/// is called on the result of `from_env` still counts as the program, so it gives a default that the environment
/// may override.
///
/// No setter fails. The startup checks all settings together and reports each fault with the place where it was
/// set.
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
    /// The properties by canonical name, each from the strongest source that set it.
    pub(super) settings: Properties,
    /// Variables and files that could not be read, and lines of a file that are no setting, one sentence each.
    /// `check` returns them first.
    pub(super) unreadable: Vec<String>,
    /// The memory that a member may use for fetched records, in bytes; `None` for the default of 256 MiB.
    pub(super) memory: Option<u64>,
}

impl KafkaConfig {
    /// Returns settings of the program alone; `brokers` is `host:port,host:port`. The environment is not read.
    #[must_use]
    #[track_caller]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self::default().property("bootstrap.servers", brokers)
    }

    /// Returns the settings of the environment, which is read once, by this call.
    ///
    /// | variable | meaning |
    /// | --- | --- |
    /// | `KAFKA_BROKERS` | the addresses, `host:port,host:port` |
    /// | `KAFKA_CONFIG` | the path of a properties file, in the format of Java's clients |
    /// | `KAFKA__SECURITY_PROTOCOL` | the property `security.protocol`, and so on for each one |
    /// | `KAFKA__SASL_PASSWORD_FILE` | the path of a file that holds the value, without its last line break |
    ///
    /// Other variables that begin with `KAFKA_` are ignored: container platforms create such names for their
    /// services. What cannot be read is a fault of the startup, and no panic here.
    ///
    /// ```
    /// # mod faststream { pub use faststream_kafka as kafka; }
    /// use std::time::Duration;
    ///
    /// use faststream::kafka::{Kafka, KafkaConfig};
    ///
    /// // The program's own default, which the environment may override.
    /// let kafka = Kafka::with(KafkaConfig::from_env().linger(Duration::from_millis(10)));
    /// # let _ = kafka;
    /// ```
    #[must_use]
    pub fn from_env() -> Self {
        let mut config = Self::default();
        environment::read(&mut config, std::env::vars_os());
        config
    }

    /// Sets any property of librdkafka. With `consumer.` or `producer.` before its name, only those clients get
    /// it, and it wins over the same property without a prefix.
    ///
    /// Properties on which the guarantees depend (`enable.auto.commit`, `group.id`, ...) are refused at startup,
    /// with the setting of faststream to use instead.
    ///
    /// ```
    /// # mod faststream { pub use faststream_kafka as kafka; }
    /// use faststream::kafka::KafkaConfig;
    ///
    /// let config = KafkaConfig::new("localhost:9092")
    ///     .property("socket.timeout.ms", "20000")
    ///     .property("producer.client.id", "billing-out");
    /// # let _ = config;
    /// ```
    #[must_use]
    #[track_caller]
    pub fn property(mut self, key: impl AsRef<str>, value: impl Into<String>) -> Self {
        self.settings.set(key.as_ref(), value, SettingOrigin::Code(Location::caller()));
        self
    }

    /// Sets a property as `-X key=value` does: it wins over every other source.
    pub fn override_property(&mut self, key: impl AsRef<str>, value: impl Into<String>) {
        self.settings.set(key.as_ref(), value, SettingOrigin::CommandLine);
    }

    /// Sets `client.id`, the name of this program in the brokers' logs and quotas. Default: `faststream`.
    #[must_use]
    #[track_caller]
    pub fn client_id(self, id: impl Into<String>) -> Self {
        self.property("client.id", id)
    }

    /// Sets the protocol that assigns partitions to the members of a group. Default: [`Protocol::Cooperative`].
    ///
    /// It sets `group.protocol`, and the classic protocols' `partition.assignment.strategy` with it. If a stronger
    /// source chooses `group.protocol=consumer`, that implied strategy is left out, because librdkafka refuses the
    /// two together.
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

    /// Sets the name of this process in its groups (`group.instance.id`, static membership): the process keeps its
    /// partitions through a restart that is shorter than the session timeout, and no other member pauses.
    ///
    /// The name must differ between processes. If two use one name, the broker fences one of them: the earlier one
    /// in the classic protocol, the later one with [`Protocol::Consumer`].
    #[must_use]
    #[track_caller]
    pub fn instance_id(self, id: impl Into<String>) -> Self {
        self.property("group.instance.id", id)
    }

    /// Sets how long a member may be silent before the broker removes it from its group. Default: 15 s. Not with
    /// [`Protocol::Consumer`], where it is a setting of the group at the broker.
    ///
    /// A crashed process blocks its partitions for this long. A broker outage that is longer costs a rejoin and
    /// repeats the records whose commit was not accepted.
    #[must_use]
    #[track_caller]
    pub fn session_timeout(self, timeout: Duration) -> Self {
        self.property("session.timeout.ms", milliseconds(timeout))
    }

    /// Sets how often a member reports to its group, and so how soon it learns that partitions move. Default: 1 s,
    /// a fifteenth of the session timeout. Not with [`Protocol::Consumer`], where it is a setting of the group at
    /// the broker.
    ///
    /// A partition that moves is idle for about one interval with [`Protocol::Cooperative`]: 1 s with this
    /// default, 3 s with librdkafka's.
    #[must_use]
    #[track_caller]
    pub fn heartbeat_interval(self, interval: Duration) -> Self {
        self.property("heartbeat.interval.ms", milliseconds(interval))
    }

    /// Sets how connections are encrypted and authenticated. Default: [`Security::Plaintext`].
    #[must_use]
    #[track_caller]
    pub fn security(self, security: Security) -> Self {
        self.property("security.protocol", security.value())
    }

    /// Sets the login: a mechanism (`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`), a name and a password. It needs
    /// [`Security::SaslSsl`] or [`Security::SaslPlaintext`].
    ///
    /// The password appears in no log, error or `Debug` text.
    ///
    /// ```
    /// # mod faststream { pub use faststream_kafka as kafka; }
    /// use faststream::kafka::{KafkaConfig, Security};
    ///
    /// let password = std::env::var("KAFKA_PASSWORD").unwrap_or_default();
    /// let config = KafkaConfig::new("localhost:9093")
    ///     .security(Security::SaslSsl)
    ///     .sasl("SCRAM-SHA-512", "billing", password);
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

    /// Sets how long a record may wait for other records of its batch. Default: 5 ms. Fractions of a millisecond
    /// are kept.
    ///
    /// It is most of the latency of a published record. 0 suits request and reply, but costs a pipeline of records
    /// that await their receipts a factor of 7 to 12 in throughput.
    #[must_use]
    #[track_caller]
    pub fn linger(self, linger: Duration) -> Self {
        self.property("linger.ms", (linger.as_secs_f64() * 1_000.0).to_string())
    }

    /// Sets how batches are compressed. Default: [`Compression::None`].
    #[must_use]
    #[track_caller]
    pub fn compression(self, compression: Compression) -> Self {
        self.property("compression.codec", compression.value())
    }

    /// Sets when a record counts as published. Default: [`Acks::All`]. A weaker value turns idempotence off,
    /// unless `enable.idempotence` is set explicitly.
    #[must_use]
    #[track_caller]
    pub fn acks(self, acks: Acks) -> Self {
        self.property("acks", acks.value())
    }

    /// Sets how many batches may be unanswered at one broker at a time. Default: 5, the maximum that keeps order
    /// with idempotence.
    #[must_use]
    #[track_caller]
    pub fn max_in_flight(self, requests: u32) -> Self {
        self.property("producer.max.in.flight.requests.per.connection", requests.to_string())
    }

    /// Returns the brokers' addresses as they may be printed (without users), and where they were set. For logs
    /// and errors.
    pub(crate) fn brokers(&self) -> (String, SettingOrigin) {
        let (brokers, source) = self.addresses(ClientKind::Producer);
        (addresses::shown(brokers).into_owned(), source)
    }

    /// Returns the addresses that clients begin with, each with its port and without a protocol:
    /// `one:9092,two:9092`.
    pub(crate) fn bootstrap(&self) -> String {
        addresses::plain(self.addresses(ClientKind::Producer).0)
    }

    /// Returns the brokers' addresses for a client as they were given, and where they were set. The text may hold
    /// a user, so it must not be printed.
    pub(super) fn addresses(&self, client: ClientKind) -> (&str, SettingOrigin) {
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
