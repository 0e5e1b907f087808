//! Which brokers of a cluster cannot be reached, for the log.
//!
//! Each client of a process notices a lost broker by itself, with its own words and one after the other: a cluster
//! of three brokers and two groups would log dozens of lines. Here they share a list, so a loss is logged once,
//! again every minute while it lasts, and once more when the broker is connected again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use faststream_core::log::Throttle;
use serde::Deserialize;

/// After this time, an existing connection is known to work: a request on it would have timed out after 10 s
/// (`socket.timeout.ms`).
const PROVED: Duration = Duration::from_secs(12);

/// The brokers of a cluster that cannot be reached, by address (`host:port`). Shared by all clients of a
/// [`Kafka`](crate::Kafka).
#[derive(Debug, Default)]
pub(crate) struct Reach(Mutex<BTreeMap<String, Away>>);

/// A broker that cannot be reached.
#[derive(Debug)]
struct Away {
    /// When the first client noticed.
    since: Instant,
    /// When it was logged last.
    throttle: Throttle<Instant>,
    /// The clients that could not reach it, by the beginning of their log lines. Only their connections prove at
    /// once that it is back.
    clients: Vec<String>,
}

/// What to log about a broker that cannot be reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It could be reached until now.
    Now,
    /// It has been unreachable for this long.
    Still(Duration),
}

/// The part of librdkafka's statistics that is read here.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    brokers: BTreeMap<String, Broker>,
}

/// A broker in the statistics.
#[derive(Deserialize)]
struct Broker {
    /// Its address, `host:port`.
    #[serde(default)]
    nodename: String,
    /// The state of the connection: `UP`, `DOWN`, `CONNECT`.
    #[serde(default)]
    state: String,
}

impl Reach {
    /// Records that a client could not reach this broker. Returns what to log; `None` if it was logged within the
    /// last minute.
    pub(crate) fn lost(&self, broker: &str, client: &str, now: Instant) -> Option<Lost> {
        let mut all = self.lock();
        let Some(away) = all.get_mut(broker) else {
            let mut throttle = Throttle::default();
            throttle.admit(now);
            let away = Away { since: now, throttle, clients: vec![client.to_owned()] };
            all.insert(broker.to_owned(), away);
            return Some(Lost::Now);
        };
        if away.clients.iter().all(|known| known != client) {
            away.clients.push(client.to_owned());
        }
        away.throttle.admit(now).map(|_| Lost::Still(now - away.since))
    }

    /// Returns the brokers that a client is connected to again, by its statistics, and for how long they were
    /// unreachable. Removes them.
    ///
    /// Called with every statistics event (every 2 s for each group), so it parses nothing while all brokers can
    /// be reached. The connection of a client that has noticed nothing proves nothing for the first 12 s: it may
    /// not know yet that it is broken.
    pub(crate) fn back(&self, statistics: &[u8], client: &str, now: Instant) -> Vec<(String, Duration)> {
        let mut all = self.lock();
        // The usual case: nothing is parsed.
        if all.is_empty() {
            return Vec::new();
        }
        let Ok(Document { brokers }) = serde_json::from_slice(statistics) else { return Vec::new() };
        let mut back = Vec::new();
        for Broker { nodename, .. } in brokers.into_values().filter(|broker| broker.state == "UP") {
            // The connection of a client that has noticed nothing proves nothing for a while.
            let is_back =
                |away: &Away| away.clients.iter().any(|known| known == client) || now - away.since >= PROVED;
            if all.get(&nodename).is_some_and(is_back)
                && let Some(away) = all.remove(&nodename)
            {
                back.push((nodename, now - away.since));
            }
        }
        back
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Away>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the address and the reason in librdkafka's text about a connection; `None` if it names no broker.
///
/// The reason is `None` for a connection that was only closed: brokers close idle connections, and the next
/// attempt shows whether the broker is there. Otherwise it is in plain words and begins with a lower-case letter.
pub(crate) fn read(text: &str) -> Option<(String, Option<String>)> {
    let text = text.strip_prefix("GroupCoordinator: ").unwrap_or(text);
    let (name, reason) = text.split_once(": ")?;
    let name = name.rsplit_once("://").map_or(name, |(_, name)| name);
    let address = name.split_once('/').map_or(name, |(address, _)| address);
    address.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok())?;
    // How long the connection had been in which state, and how often the same was said.
    let reason = reason.split_once(" (after ").map_or(reason, |(reason, _)| reason);
    let reason = match reason.split_once(" failed: ") {
        Some((what, why)) if what.starts_with("Connect to ") => why,
        Some(("ApiVersionRequest", _)) => "it takes connections and answers nothing",
        _ if reason.contains("timed out: disconnect") => "it does not answer",
        _ => reason,
    };
    let is_closed = reason == "Disconnected" || reason.starts_with("Disconnected while");
    let mut letters = reason.chars();
    let first = letters.next().map(char::to_lowercase);
    let reason = first.into_iter().flatten().chain(letters).collect();
    Some((address.to_owned(), (!is_closed).then_some(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKER: &str = "127.0.0.1:9092";

    #[test]
    fn a_connection_that_fails_is_read_without_the_librarys_words() {
        for (text, reason) in [
            (
                "127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT, 3 \
                 identical error(s) suppressed)",
                Some("connection refused"),
            ),
            ("GroupCoordinator: 127.0.0.1:9092: Disconnected (after 8102ms in state UP)", None),
            (
                "sasl_plaintext://127.0.0.1:9092/bootstrap: 2 request(s) timed out: disconnect (average rtt 1.2ms) (after 3ms in \
                 state UP)",
                Some("it does not answer"),
            ),
            (
                "127.0.0.1:9092/bootstrap: ApiVersionRequest failed: Local: Timed out: probably due to broker version",
                Some("it takes connections and answers nothing"),
            ),
        ] {
            assert_eq!(read(text), Some((BROKER.to_owned(), reason.map(ToOwned::to_owned))), "{text}");
        }
        assert_eq!(
            read(
                "nowhere:9092/bootstrap: Failed to resolve 'nowhere:9092': Name or service not known (after 5ms in state CONNECT)"
            ),
            Some((
                "nowhere:9092".into(),
                Some("failed to resolve 'nowhere:9092': Name or service not known".into())
            ))
        );
        assert_eq!(read("1/1 brokers are down"), None);
    }

    #[test]
    fn a_broker_is_said_to_be_away_once_and_to_be_back_once() {
        let (reach, start) = (Reach::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let statistics = |state: &str| {
            format!(
                r#"{{"brokers":{{"127.0.0.1:9092/1":{{"nodename":"{BROKER}","state":"{state}"}},"GroupCoordinator":{{}}}}}}"#
            )
        };
        let (up, down) = (statistics("UP"), statistics("CONNECT"));
        assert_eq!(reach.back(up.as_bytes(), "group", at(0)), []);
        assert_eq!(reach.lost(BROKER, "producer", at(0)), Some(Lost::Now));
        assert_eq!(reach.lost(BROKER, "producer", at(1)), None);
        assert_eq!(reach.back(up.as_bytes(), "group", at(1)), [], "it has noticed nothing");
        assert_eq!(reach.lost(BROKER, "group", at(2)), None);
        assert_eq!(reach.back(down.as_bytes(), "group", at(4)), []);
        assert_eq!(reach.lost(BROKER, "group", at(61)), Some(Lost::Still(Duration::from_secs(61))));
        assert_eq!(
            reach.back(up.as_bytes(), "group", at(62)),
            [(BROKER.to_owned(), Duration::from_secs(62))]
        );
        assert_eq!(reach.back(up.as_bytes(), "group", at(64)), []);
        assert_eq!(reach.lost(BROKER, "producer", at(70)), Some(Lost::Now));
        assert_eq!(
            reach.back(up.as_bytes(), "group", at(82)),
            [(BROKER.to_owned(), Duration::from_secs(12))]
        );
    }
}
