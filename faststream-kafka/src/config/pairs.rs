//! Finds settings that contradict each other where the library accepts both.
//!
//! Runs last, when each setting alone is right. It reads the numbers from a configuration of the library, so its
//! defaults count as well: `heartbeat.interval.ms=20000` alone contradicts the default session timeout of 15 s.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::NativeClientConfig;

use super::{ClientKind, KafkaConfig};

/// Two properties of one client, of which the first must be less than the second.
struct Pair {
    /// The client whose numbers are compared.
    client: ClientKind,
    /// The name of the property with the smaller number.
    less: &'static str,
    /// The name of the property with the larger number.
    more: &'static str,
    /// Whether equal numbers are allowed, too.
    may_be_equal: bool,
    /// Whether the pair counts only if both were set. The second number may then be 0, which means no limit.
    /// Otherwise it counts if one of them was set: the defaults among themselves are right.
    only_if_set: bool,
    /// What would happen otherwise. The end of the fault's sentence.
    why: &'static str,
}

/// The pairs that librdkafka does not check itself, or reports without naming where they were set.
const PAIRS: &[Pair] = &[
    Pair {
        client: ClientKind::Consumer,
        less: "heartbeat.interval.ms",
        more: "session.timeout.ms",
        may_be_equal: false,
        only_if_set: false,
        why: "a member would be thrown out between two heartbeats; a third is usual",
    },
    Pair {
        client: ClientKind::Consumer,
        less: "fetch.min.bytes",
        more: "fetch.max.bytes",
        may_be_equal: true,
        only_if_set: false,
        why: "every fetch would wait for more than it may bring",
    },
    Pair {
        client: ClientKind::Consumer,
        less: "retry.backoff.ms",
        more: "retry.backoff.max.ms",
        may_be_equal: true,
        only_if_set: false,
        why: "the pause cannot begin beyond its end",
    },
    Pair {
        client: ClientKind::Producer,
        less: "retry.backoff.ms",
        more: "retry.backoff.max.ms",
        may_be_equal: true,
        only_if_set: false,
        why: "the pause cannot begin beyond its end",
    },
    Pair {
        client: ClientKind::Producer,
        less: "request.timeout.ms",
        more: "message.timeout.ms",
        may_be_equal: true,
        only_if_set: true,
        why: "a record would be given up on before its request is",
    },
];

impl KafkaConfig {
    /// Returns the faults among the numbers of one client, each with the origin of both settings. `config` is what
    /// that client is created with.
    pub(super) fn contradicting_numbers(&self, client: ClientKind, config: &ClientConfig) -> Vec<String> {
        let Ok(native) = config.create_native_config() else { return Vec::new() };
        let mut faults = Vec::new();
        for pair in PAIRS.iter().filter(|pair| pair.client == client) {
            let are_set = [pair.less, pair.more].map(|name| self.settings.get(client, name).is_some());
            let counts = if pair.only_if_set { are_set == [true; 2] } else { are_set.contains(&true) };
            let numbers = (number(&native, pair.less), number(&native, pair.more));
            let (Some(less), Some(more)) = numbers else { continue };
            let is_right =
                less < more || (pair.may_be_equal && less == more) || (more == 0 && pair.only_if_set);
            if counts && !is_right {
                let told = |name, number| format!("{name}={number} ({})", self.set_by(client, name));
                faults.push(format!(
                    "{} has to be {} {}: {}",
                    told(pair.less, less),
                    if pair.may_be_equal { "at most" } else { "less than" },
                    told(pair.more, more),
                    pair.why
                ));
            }
        }
        faults
    }

    /// Returns the fault if a group's drain time reaches `max.poll.interval.ms`. faststream answers a revocation
    /// after the drain, and the broker removes a member that has not answered within that interval.
    pub(super) fn drain_fault(&self, group: &str, drain: Duration, config: &ClientConfig) -> Option<String> {
        let longest = number(&config.create_native_config().ok()?, "max.poll.interval.ms")?;
        let longest = Duration::from_millis(u64::try_from(longest).ok()?);
        (drain >= longest).then(|| {
            format!(
                "group {group}: the drain time ({drain:?}) has to be less than max.poll.interval.ms ({longest:?}, {}): a member \
                 that waits for so long is thrown out; shorten `drain`",
                self.set_by(ClientKind::Consumer, "max.poll.interval.ms")
            )
        })
    }

    /// Returns the origin of a property for a fault's text.
    fn set_by(&self, client: ClientKind, name: &str) -> String {
        self.settings
            .get(client, name)
            .map_or_else(|| "the default".to_owned(), |setting| setting.source.to_string())
    }
}

/// Returns a number of the library's configuration, without its fraction; `None` for a word.
fn number(config: &NativeClientConfig, name: &str) -> Option<i64> {
    // Whole numbers come as they are, others with a fraction of zeros.
    config.get(name).ok()?.trim_end_matches('\0').split('.').next()?.parse().ok()
}
