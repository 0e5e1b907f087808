//! Logs the problems of a client without flooding the log: each kind at once, then once a minute with the number
//! of its repeats.
//!
//! A client reports the same error up to 129 times in an outage of 24 s. Everything that librdkafka reports about
//! a client passes through here, on librdkafka's callbacks as well, so nothing here may panic or wait. Secrets are
//! masked in every line.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use faststream_core::log::{self, Throttle};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config::Secrets;
use crate::reach::{Lost, Reach, read};

/// The beginning of librdkafka's text about a missing topic; the topic and the error follow.
const UNAVAILABLE: &str = "Subscribed topic not available: ";

/// Logs each kind of error at once, and again after a minute with the number of its repeats. One for each client,
/// or for all clients of a group that replace each other.
#[derive(Debug)]
pub(crate) struct ErrorLog {
    /// The beginning of the lines: the cluster, and the client within it.
    who: String,
    /// By kind of error: when it was logged last. Kinds are few: codes, and names of topics.
    told: Mutex<BTreeMap<String, Throttle<Instant>>>,
    /// The values that are masked in the lines.
    secrets: Secrets,
    /// The name of the cluster, which begins the lines about its brokers.
    cluster: String,
    /// Which brokers of the cluster cannot be reached; shared by all of its clients.
    reach: Arc<Reach>,
}

impl ErrorLog {
    /// Returns a log whose lines begin with `who`, for a client that is the only one of its cluster.
    pub(crate) fn new(who: impl Into<String>) -> Self {
        let who = who.into();
        let cluster = who.clone();
        Self { who, told: Mutex::default(), secrets: Secrets::default(), cluster, reach: Arc::default() }
    }

    /// Returns the log as one of several of a cluster, which share what they know about its brokers.
    pub(crate) fn within(self, cluster: &str, reach: &Arc<Reach>) -> Self {
        Self { cluster: cluster.to_owned(), reach: Arc::clone(reach), ..self }
    }

    /// Returns the log with the secrets of a client's settings masked.
    pub(crate) fn without(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// Returns a text of the library without secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.hide(text).into_owned()
    }

    /// Logs an error as a warning, unless one of the same `kind` was logged within the last minute.
    pub(crate) fn log(&self, kind: &str, message: impl fmt::Display) {
        let Some(repeats) = self.admit(kind, Instant::now()) else { return };
        let message = log::bounded(self.clean(&message.to_string()));
        let repeats =
            if repeats == 0 { String::new() } else { format!(" ({repeats} more like this before)") };
        log::warn!("{}: {message}{repeats}", self.who);
    }

    /// Handles an error that the library reports for the client as a whole. `reason` is librdkafka's text.
    ///
    /// Unreachable brokers and missing topics have lines of their own; the others are logged with the fix, if one
    /// is known. `AllBrokersDown` is logged at the level `debug` only: each broker has its own line, and
    /// librdkafka reports it also when the last idle connection was closed.
    pub(crate) fn client_error(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        match code {
            // Each of them was told of; and all are down as well when all that were idle were closed.
            Some(RDKafkaErrorCode::AllBrokersDown) => return self.debug("ERROR", reason),
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut,
            ) => {
                if let Some((broker, why)) = read(reason) {
                    self.debug("ERROR", reason);
                    return self.cannot_reach(&broker, why);
                }
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                if let Some((topic, _)) =
                    reason.strip_prefix(UNAVAILABLE).and_then(|rest| rest.split_once(": "))
                {
                    return self.missing_topic(topic);
                }
            }
            _ => {}
        }
        let kind = code.map_or_else(|| error.to_string(), |code| format!("{code:?}"));
        self.log(&kind, format_args!("{reason}{}", cure(error)));
    }

    /// Logs that a topic does not exist. Both the library and the consumer's own check call it; the first one
    /// logs.
    pub(crate) fn missing_topic(&self, topic: &str) {
        let message =
            format_args!("the topic `{topic}` does not exist, or may not be described: waiting for it");
        self.log(&format!("missing {topic}"), message);
    }

    /// Logs a broker that cannot be reached, once for all clients of the cluster. A connection that was only
    /// closed is not logged.
    fn cannot_reach(&self, broker: &str, why: Option<String>) {
        let Some(why) = why.map(|why| self.clean(&why)) else { return };
        match self.reach.lost(broker, &self.who, Instant::now()) {
            None => {}
            Some(Lost::Now) => {
                log::warn!(
                    "{}: broker {broker} cannot be reached: {why}; it is tried until it can",
                    self.cluster
                );
            }
            Some(Lost::Still(since)) => {
                let since = log::Time::about(since);
                log::warn!("{}: broker {broker} has not been reached for {since}: {why}", self.cluster);
            }
        }
    }

    /// Logs the brokers that were unreachable and are connected again, according to a client's statistics.
    pub(crate) fn look_for_connections(&self, statistics: &[u8]) {
        for (broker, away) in self.reach.back(statistics, &self.who, Instant::now()) {
            let away = log::Time::about(away);
            log::info!("{}: broker {broker} is connected again after {away}", self.cluster);
        }
    }

    /// Handles a log line of the client library. Warnings and above are logged, with exceptions that other lines
    /// report better; the rest goes to the target `librdkafka` at the level `debug`.
    pub(crate) fn client_log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            // These come as errors, too, with the same text.
            _ if matches!(facility, "FAIL" | "ERROR" | "FATAL") => self.debug(facility, message),
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => match facility {
                // What became of the broker is told once, and not by each request that it did not answer.
                "REQTMOUT" => self.debug(facility, message),
                // A broker that has just started.
                "GETPID" if message.ends_with("retrying") => self.debug(facility, message),
                "SESSTMOUT" => self.log(facility, session_is_over(message)),
                _ => self.log(facility, format_args!("librdkafka says: {message}")),
            },
            _ => self.debug(facility, message),
        }
    }

    /// Logs a line of the library for people who debug it: `RUST_LOG=librdkafka=debug`. Not limited.
    fn debug(&self, facility: &str, message: &str) {
        log::debug!(target: "librdkafka", "{}: {facility}: {}", self.who, self.secrets.hide(message));
    }

    /// Returns how often this kind was suppressed since it was logged; `None` if it is suppressed now.
    fn admit(&self, kind: &str, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(throttle) = told.get_mut(kind) {
            return throttle.admit(now);
        }
        told.entry(kind.to_owned()).or_default().admit(now)
    }
}

/// Returns the line for the end of a membership's session, from librdkafka's
/// `... timed out (in join-state steady) after 6012 ms without ...`.
fn session_is_over(message: &str) -> String {
    let millis = message.split_once(" after ").and_then(|(_, rest)| rest.split_once(" ms"));
    let time = millis.and_then(|(millis, _)| millis.parse().ok()).map(Duration::from_millis);
    let time = time.map_or_else(String::new, |time| format!(" for {}", log::Time::about(time)));
    format!(
        "the group's coordinator has not answered{time}: the membership is lost, its partitions go to other members, and it joins \
         again"
    )
}

/// Returns the fix of an error of a client as a whole, to follow its reason; empty if waiting is the fix.
pub(crate) fn cure(error: &KafkaError) -> &'static str {
    use RDKafkaErrorCode::{Authentication, SaslAuthenticationFailed};
    match error.rdkafka_error_code() {
        Some(Authentication | SaslAuthenticationFailed) => {
            "; set sasl.username and sasl.password to what the broker knows: it is tried until they are right"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_at_once_and_then_once_a_minute_with_its_repeats() {
        let log = ErrorLog::new("test");
        let now = Instant::now();
        assert_eq!(log.admit("Transport", now), Some(0));
        assert_eq!(log.admit("AllBrokersDown", now), Some(0));
        assert_eq!(log.admit("Transport", now), None);
        assert_eq!(log.admit("Transport", now + log::QUIET), Some(1));
    }

    /// A subscriber that cannot write.
    struct Panics;

    impl tracing::Subscriber for Panics {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            panic!("no line can be written");
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn no_panic_of_a_log_line_passes_through_librdkafkas_callbacks() {
        let _panics = tracing::subscriber::set_default(Panics);
        let log = ErrorLog::new("test");
        let error = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);
        log.client_error(&error, "connection refused");
        log.client_log(RDKafkaLogLevel::Warning, "CONFWARN", "a warning");
        log.client_log(RDKafkaLogLevel::Debug, "FETCH", "a detail");
        assert_eq!(log.admit("BrokerTransportFailure", Instant::now()), None, "it was told");
    }

    #[test]
    fn a_missing_topic_is_told_once_whoever_notices() {
        let log = ErrorLog::new("test");
        let error = KafkaError::Global(RDKafkaErrorCode::UnknownTopicOrPartition);
        log.client_error(
            &error,
            "Subscribed topic not available: orders: Broker: Unknown topic or partition",
        );
        assert_eq!(log.admit("missing orders", Instant::now()), None, "it was told");
    }

    #[test]
    fn a_session_that_is_over_is_told_in_plain_words() {
        let line = "[thrd:main]: Consumer group session timed out (in join-state steady) after 6012 ms without a successful \
                    response from the group coordinator (broker 1, last error was Success): revoking assignment and \
                    rejoining group";
        let told = session_is_over(line);
        assert!(told.starts_with("the group's coordinator has not answered for 6 s: "), "{told}");
        assert!(session_is_over("").starts_with("the group's coordinator has not answered: "));
    }
}
