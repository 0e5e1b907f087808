//! Closed sets of settings.

use std::time::Duration;

/// How partitions are shared out in a group.
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
    /// The classic protocol with `cooperative-sticky`: members keep what stays theirs while others come and go.
    #[default]
    Cooperative,
    /// The classic protocol with `range`: all members stop for a moment; the shortest pause of the moved partitions.
    Range,
    /// KIP-848 (`group.protocol=consumer`, Kafka 4): the broker assigns. Session and heartbeat are settings of the group at
    /// the broker; set `consumer.heartbeat.interval.ms=1000` there, as its default of 5 s delays every move.
    Consumer,
}

/// When a record counts as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Acks {
    /// All in-sync replicas have it.
    #[default]
    All,
    /// The leader has it; lost if the leader dies at once. Turns idempotence off.
    Leader,
    /// It was sent. Turns idempotence off.
    None,
}

/// How batches of records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Slow, and known to every client.
    Gzip,
    /// Quick.
    Snappy,
    /// Quick.
    Lz4,
    /// The smallest at a moderate price.
    Zstd,
}

/// How the connection is protected, and who we are to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Security {
    /// Neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// A login without encryption.
    SaslPlaintext,
    /// A login inside TLS.
    SaslSsl,
}

impl Protocol {
    pub(super) fn group_protocol(self) -> &'static str {
        match self {
            Self::Cooperative | Self::Range => "classic",
            Self::Consumer => "consumer",
        }
    }

    pub(super) fn assignor(self) -> Option<&'static str> {
        match self {
            Self::Cooperative => Some("cooperative-sticky"),
            Self::Range => Some("range"),
            Self::Consumer => None,
        }
    }
}

impl Acks {
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Leader => "1",
            Self::None => "0",
        }
    }
}

impl Compression {
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
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }
}

/// Whole milliseconds, as the library takes them.
pub(super) fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}
