//! Publishing records to the broker.

use std::sync::Arc;

use super::{Answer, BoxFuture, Receipt};
use crate::record::Outgoing;

/// Publishes records. Shared by the whole process.
pub trait Producer: Send + Sync {
    /// Queues a record, and answers it once the broker has answered. Never blocks.
    ///
    /// `Some` is a result that is known at once: `answer` was [spared](Answer::spare). A full queue of the client
    /// ([`PublishErrorKind::QueueFull`]) is always reported this way.
    fn enqueue(&self, record: &Outgoing, answer: Answer) -> Option<Result<Published, PublishError>>;

    /// Queues a record. The receipt resolves with its answer.
    fn receipt(&self, record: &Outgoing) -> Receipt {
        let (answer, receipt) = Receipt::waiting(Arc::clone(&record.topic));
        self.enqueue(record, answer).map_or(receipt, Receipt::known)
    }

    /// Resolves when everything that was queued before is confirmed or refused.
    fn flush(&self) -> BoxFuture<'_, ()>;
}

/// The position of a published record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The partition that it was written to.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// A record was not published.
///
/// ```
/// use faststream::{FastStream, PublishErrorKind, Publisher, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64, publisher: Publisher) {
///     match publisher.send("invoices", f64::NAN).await {
///         Err(error) if error.kind == PublishErrorKind::Permanent => println!("no attempt helps: {error}"),
///         Err(error) => println!("worth another attempt: {error}"),
///         Ok(written) => println!("invoices/{} at {}", written.partition, written.offset),
///     }
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await.lenient();
/// app.publish("orders", &1).await;
/// assert!(app.published::<f64>("invoices").is_empty());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("publishing to topic {topic}: {message}")]
pub struct PublishError {
    /// Whether a retry can help.
    pub kind: PublishErrorKind,
    /// The record's topic.
    pub topic: String,
    /// The code's name and text, and the fix.
    pub message: String,
}

/// Whether a retry can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The client's own queue is full. Retry after a moment.
    QueueFull,
    /// The broker refused the record or did not answer. The same record may be accepted later.
    Retriable,
    /// The cluster has to change: a missing permission or topic, a policy, a quota. The same record is accepted once
    /// somebody fixes that. Calling its handler again changes nothing.
    Denied,
    /// The record itself can never be published, because of its size, encoding or headers. Only another call can help.
    Permanent,
}

impl Outgoing {
    /// Checks whether any backend can write the record as it is. A header name that contains a NUL byte would be cut
    /// there, and a client reads the timestamp 0 as "now".
    ///
    /// # Errors
    /// If no backend can, whatever the broker answers.
    pub fn check(&self) -> Result<(), PublishError> {
        self.fault().map_or(Ok(()), |fault| Err(self.permanent(fault)))
    }

    pub(crate) fn check_headers(&self) -> Result<(), PublishError> {
        self.header_fault().map_or(Ok(()), |fault| Err(self.permanent(fault)))
    }

    /// Returns the error with which Kafka refuses a topic that cannot exist.
    pub(crate) fn no_such_topic(&self) -> PublishError {
        PublishError {
            kind: PublishErrorKind::Denied,
            topic: self.topic.to_string(),
            message: "a topic's name has 1 to 249 letters, digits, `.`, `_` and `-`".to_owned(),
        }
    }

    /// Returns the error of a record that can never be written.
    fn permanent(&self, message: String) -> PublishError {
        PublishError { kind: PublishErrorKind::Permanent, topic: self.topic.to_string(), message }
    }
}
