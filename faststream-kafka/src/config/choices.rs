//! Settings with a closed set of values, and how librdkafka spells each of them.

use std::time::Duration;

/// How partitions are assigned to the members of a group.
///
/// Not all of these mix within one group. How to change it in a running group:
/// `faststream::guide::changing_the_protocol`.
///
/// ```
/// # mod faststream { pub use faststream_kafka as kafka; }
/// use faststream::kafka::{KafkaConfig, Protocol};
///
/// // The protocol of KIP-848: the broker assigns, and nobody waits for the whole group.
/// let config = KafkaConfig::new("localhost:9092").protocol(Protocol::Consumer);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// The classic protocol with the assignor `cooperative-sticky`: members keep the partitions that stay theirs
    /// while others join and leave. A partition that moves is idle for about one heartbeat interval (1 s).
    #[default]
    Cooperative,
    /// The classic protocol with the assignor `range`: each rebalance revokes all partitions of all members. The
    /// partitions that move are idle for the shortest time of the three, 30 to 70 ms on a quiet cluster.
    Range,
    /// KIP-848 (`group.protocol=consumer`, Kafka 4): the broker assigns. Session and heartbeat are settings of the
    /// group at the broker. Set `consumer.heartbeat.interval.ms=1000` there: its default of 5 s delays every move
    /// by about 5 s.
    Consumer,
}

/// When a record counts as published.
///
/// Dead letters and results are confirmed before the offset of their record is committed, so a weaker value than
/// [`Acks::All`] can lose a record that the consumer has finished.
///
/// ```
/// # mod faststream { pub use faststream_kafka as kafka; }
/// use faststream::kafka::{Acks, KafkaConfig};
///
/// // Throughput over safety: for records that may be lost.
/// let config = KafkaConfig::new("localhost:9092").acks(Acks::Leader);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Acks {
    /// All in-sync replicas have it. Needs as many of them as the topic's `min.insync.replicas`.
    #[default]
    All,
    /// The leader has it. It is lost if the leader fails before a replica has copied it. Turns idempotence off.
    Leader,
    /// It was sent; the broker does not answer, so a refusal goes unnoticed and no offset is known. Turns
    /// idempotence off.
    None,
}

/// How batches of records are compressed. The producer compresses, consumers decompress; brokers keep the batch as
/// it is, unless the topic's `compression.type` differs.
///
/// ```
/// # mod faststream { pub use faststream_kafka as kafka; }
/// use std::time::Duration;
///
/// use faststream::kafka::{Compression, KafkaConfig};
///
/// // Larger batches compress better.
/// let config = KafkaConfig::new("localhost:9092")
///     .compression(Compression::Zstd)
///     .linger(Duration::from_millis(50));
/// # let _ = config;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// A good ratio at a high cost; every client knows it.
    Gzip,
    /// Fast, with a moderate ratio.
    Snappy,
    /// Fast, with a moderate ratio.
    Lz4,
    /// The best ratio at a moderate cost. Needs Kafka 2.1.
    Zstd,
}

/// How connections are encrypted, and how this client authenticates itself (`security.protocol`). It has to match
/// the listener of the broker.
///
/// ```
/// # mod faststream { pub use faststream_kafka as kafka; }
/// use faststream::kafka::{KafkaConfig, Security};
///
/// // TLS with a client certificate; `KafkaConfig::sasl` shows a login.
/// let config = KafkaConfig::new("kafka.example.com:9093")
///     .security(Security::Ssl)
///     .property("ssl.ca.location", "/etc/kafka/ca.pem")
///     .property("ssl.certificate.location", "/etc/kafka/client.pem")
///     .property("ssl.key.location", "/etc/kafka/client.key");
/// # let _ = config;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Security {
    /// Neither encryption nor a login.
    #[default]
    Plaintext,
    /// TLS, without a login unless the client has a certificate.
    Ssl,
    /// A SASL login without encryption: with the mechanism `PLAIN`, the password is readable on the network.
    SaslPlaintext,
    /// A SASL login inside TLS.
    SaslSsl,
}

impl Protocol {
    /// Returns the value of `group.protocol`.
    pub(super) fn group_protocol(self) -> &'static str {
        match self {
            Self::Cooperative | Self::Range => "classic",
            Self::Consumer => "consumer",
        }
    }

    /// Returns the value of `partition.assignment.strategy`; `None` if the broker assigns, because librdkafka
    /// refuses the property then.
    pub(super) fn assignor(self) -> Option<&'static str> {
        match self {
            Self::Cooperative => Some("cooperative-sticky"),
            Self::Range => Some("range"),
            Self::Consumer => None,
        }
    }
}

impl Acks {
    /// Returns the value of `acks`.
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Leader => "1",
            Self::None => "0",
        }
    }
}

impl Compression {
    /// Returns the value of `compression.codec`.
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl Security {
    /// Returns the value of `security.protocol`.
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }
}

/// Returns the whole milliseconds, as the library takes them. Fractions are dropped.
pub(super) fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}
