//! Clients that answer a question about topics, and how long an answer may take.

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

/// What one request may take.
pub(super) const REQUEST: Duration = Duration::from_secs(10);
/// How long a look at a topic's settings may take.
const LOOK: Duration = Duration::from_secs(4);

/// For questions that a start can do without.
pub(super) fn looking() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LOOK)).operation_timeout(Some(LOOK))
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST))
}

/// The topics that exist, with their number of partitions.
pub(super) fn partitions(metadata: &Metadata) -> BTreeMap<String, i32> {
    let exists = metadata.topics().iter().filter(|topic| !topic.partitions().is_empty());
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    exists.map(|topic| (topic.name().to_owned(), count(topic.partitions().len()))).collect()
}

/// A client that answers a question: its errors are told once a minute, its other callbacks say nothing.
pub(super) struct QuestionContext(ErrorLog);

impl QuestionContext {
    pub(super) fn new(who: &str, config: &ClientConfig) -> Self {
        Self(ErrorLog::new(format!("{who}: looking after topics")).without(Secrets::of(config)))
    }
}

impl ClientContext for QuestionContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.client_log(level, facility, message);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.client_error(&error, reason);
    }
}

impl ConsumerContext for QuestionContext {}
