//! Tells what goes wrong in a client without flooding the log: at once, then once a minute with a count.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use faststream_core::log;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config::Secrets;

/// How long a kind of error stays quiet after it was told.
const PAUSE: Duration = Duration::from_secs(60);

/// Tells each kind of error at once, and again after a minute with the number of its repeats.
#[derive(Debug)]
pub(crate) struct ErrorLog {
    /// What the lines begin with: the client and the address.
    who: String,
    told: Mutex<BTreeMap<String, Told>>,
    /// What is left out of the lines.
    secrets: Secrets,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    repeats: u64,
}

impl ErrorLog {
    /// A log whose lines begin with `who`.
    pub(crate) fn new(who: impl Into<String>) -> Self {
        Self { who: who.into(), told: Mutex::default(), secrets: Secrets::default() }
    }

    /// The same log without what must not be printed of a client's settings.
    pub(crate) fn without(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// A text of the library, without secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.hide(text).into_owned()
    }

    /// Tells an error of a kind, unless that kind was told within the last minute.
    pub(crate) fn tell(&self, kind: &str, message: impl fmt::Display) {
        let Some(repeats) = self.admit(kind, Instant::now()) else { return };
        let message = log::bounded(self.clean(&message.to_string()));
        let repeats =
            if repeats == 0 { String::new() } else { format!(" ({repeats} more like this before)") };
        log::warn!("{}: {message}{repeats}", self.who);
    }

    /// Tells an error that the client library reports for the client as a whole.
    pub(crate) fn client_error(&self, error: &KafkaError, reason: &str) {
        let kind = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| format!("{code:?}"));
        self.tell(&kind, format_args!("{kind}: {reason}{}", cure(error)));
    }

    /// Passes a log line of the client library on.
    pub(crate) fn client_log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            // These come as errors, too, with the same text.
            _ if matches!(facility, "FAIL" | "ERROR" | "FATAL") => self.debug(facility, message),
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => self.tell(facility, format_args!("{facility}: {message}")),
            _ => self.debug(facility, message),
        }
    }

    fn debug(&self, facility: &str, message: &str) {
        log::debug!(target: "librdkafka", "{}: {facility}: {}", self.who, self.secrets.hide(message));
    }

    /// How often the kind was kept quiet since it was told; `None` if it has to stay quiet.
    fn admit(&self, kind: &str, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = told.get_mut(kind) else {
            told.insert(kind.to_owned(), Told { at: now, repeats: 0 });
            return Some(0);
        };
        if now.duration_since(last.at) < PAUSE {
            last.repeats += 1;
            return None;
        }
        last.at = now;
        Some(std::mem::take(&mut last.repeats))
    }
}

/// What to do about an error of a client as a whole, to be said behind its reason.
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
    fn a_kind_is_told_at_once_and_then_once_a_minute_with_its_repeats() {
        let log = ErrorLog::new("test");
        let start = Instant::now();
        let at = |seconds| log.admit("Transport", start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!([at(1), at(2), at(59)], [None, None, None]);
        assert_eq!(at(60), Some(3));
        assert_eq!(at(61), None);
        assert_eq!(at(121), Some(1));
        assert_eq!(at(181), Some(0));
    }

    #[test]
    fn another_kind_is_told_at_once() {
        let log = ErrorLog::new("test");
        let now = Instant::now();
        assert_eq!(log.admit("Transport", now), Some(0));
        assert_eq!(log.admit("AllBrokersDown", now), Some(0));
        assert_eq!(log.admit("Transport", now), None);
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
}
