//! The clients that answer a question about topics, and the time limits of their requests.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::AdminOptions;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;

use crate::config::Secrets;
use crate::error_log::ErrorLog;

/// How long one request may take. As long as a socket may be silent: the answer for a large cluster is large.
pub(super) const REQUEST: Duration = Duration::from_secs(10);
/// How long a look at a topic's settings may take. Shorter, because the startup continues without it.
const LOOK: Duration = Duration::from_secs(4);

/// Returns the options of questions that a startup can do without.
pub(super) fn looking() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LOOK)).operation_timeout(Some(LOOK))
}

/// Returns the options of requests that have to succeed: creating and changing topics.
pub(super) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST))
}

/// Returns the topics that exist, with their number of partitions. Metadata also names topics that do not exist,
/// without partitions.
pub(super) fn partitions(metadata: &Metadata) -> BTreeMap<String, i32> {
    let exists = metadata.topics().iter().filter(|topic| !topic.partitions().is_empty());
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    exists.map(|topic| (topic.name().to_owned(), count(topic.partitions().len()))).collect()
}

/// The context of a client that answers a question: its errors are logged once a minute, its other callbacks do
/// nothing.
///
/// They have a name of their own in the log: `kafka at localhost:9092: looking after topics`.
pub(super) struct QuestionContext(ErrorLog);

impl QuestionContext {
    /// Returns the context of a client with these settings, whose secrets are kept out of the log. `who` is the
    /// cluster.
    pub(super) fn new(who: &str, config: &ClientConfig) -> Self {
        Self(ErrorLog::new(format!("{who}: looking after topics")).without(Secrets::of(config)))
    }
}

impl ClientContext for QuestionContext {
    /// Passes a log line of the library on; secrets are masked there.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.client_log(level, facility, message);
    }

    /// Ignores the statistics: the client does not live for long enough.
    fn stats_raw(&self, _: &[u8]) {}

    /// Logs an error of the client, once a minute for each kind. The answer to the question reports its own error.
    fn error(&self, error: KafkaError, reason: &str) {
        self.0.client_error(&error, reason);
    }
}

impl ConsumerContext for QuestionContext {}
