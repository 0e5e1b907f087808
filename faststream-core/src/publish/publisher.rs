//! Publishing by hand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Producer, PublishError, PublishErrorKind, Published, Receipt};
use crate::delivery::{Delivery, FromDelivery, Rejection};
use crate::publish::{IntoBytes, IntoOutgoing, Outgoing, Publish};

/// While the client's queue is full, it is tried again after this.
const QUEUE_FULL: Duration = Duration::from_millis(5);

/// Publishes by hand: an argument of handlers, and what hooks publish with. Cloning it is cheap.
///
/// Records go to the broker that the handler reads from. In a handler, a result that is published by hand and a call
/// that then fails are two things: the record is handled again, and its copies may be published twice.
#[derive(Clone)]
pub struct Publisher {
    producer: Arc<dyn Producer>,
}

impl Publisher {
    /// On this producer.
    pub(crate) fn new(producer: Arc<dyn Producer>) -> Self {
        Self { producer }
    }

    /// Publishes a value, or a [`Publish`] of one, and waits until the broker has confirmed it.
    ///
    /// # Errors
    /// If it cannot be encoded, or the broker refused it.
    pub async fn send(&self, topic: &str, value: impl IntoOutgoing) -> Result<Published, PublishError> {
        self.send_record(encode(topic, value)?).await
    }

    /// Publishes a value without waiting: the receipt resolves once the broker has confirmed it. A full queue of the
    /// client is told by the receipt.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn enqueue(&self, topic: &str, value: impl IntoOutgoing) -> Result<Receipt, PublishError> {
        Ok(self.producer.enqueue(encode(topic, value)?))
    }

    /// Publishes many values, and waits for all of them: the results are in their order, each error names its own.
    pub async fn send_all<V: IntoOutgoing>(
        &self,
        topic: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Vec<Result<Published, PublishError>> {
        let mut receipts = Vec::new();
        for value in values {
            receipts.push(match encode(topic, value) {
                Ok(record) => Ok((self.enqueue_record(&record).await, record)),
                Err(error) => Err(error),
            });
        }
        let mut results = Vec::with_capacity(receipts.len());
        for (index, receipt) in receipts.into_iter().enumerate() {
            let result = match receipt {
                Ok((receipt, _)) => receipt.await,
                Err(error) => Err(error),
            };
            results.push(result.map_err(|error| PublishError {
                message: format!("record {index} of this batch: {}", error.message),
                ..error
            }));
        }
        results
    }

    /// Publishes a tombstone for a key, and waits until the broker has confirmed it.
    ///
    /// # Errors
    /// If the broker refused it.
    pub async fn tombstone(&self, topic: &str, key: impl IntoBytes) -> Result<Published, PublishError> {
        self.send(topic, Publish::tombstone().key(key)).await
    }

    /// Waits until everything that was published before is confirmed or refused.
    pub async fn flush(&self) {
        self.producer.flush().await;
    }

    async fn send_record(&self, record: Outgoing) -> Result<Published, PublishError> {
        self.enqueue_record(&record).await.await
    }

    /// Waits only for room in the client's queue.
    async fn enqueue_record(&self, record: &Outgoing) -> Receipt {
        loop {
            let mut receipt = self.producer.enqueue(record.clone());
            let full =
                std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut receipt).poll(cx)))
                    .await;
            match full {
                std::task::Poll::Ready(Err(error)) if error.kind == PublishErrorKind::QueueFull => {
                    tokio::time::sleep(QUEUE_FULL).await;
                }
                std::task::Poll::Ready(known) => return Receipt::known(known),
                std::task::Poll::Pending => return receipt,
            }
        }
    }
}

fn encode(topic: &str, value: impl IntoOutgoing) -> Result<Outgoing, PublishError> {
    value.into_outgoing(topic.into()).map_err(|error| PublishError {
        kind: PublishErrorKind::Permanent,
        topic: topic.to_owned(),
        message: error.to_string(),
    })
}

impl FromDelivery for Publisher {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(Self::new(Arc::clone(&delivery.context.producer)))
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Publisher")
    }
}
