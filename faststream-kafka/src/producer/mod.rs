//! The producer: queues records without blocking, and resolves a receipt for each when the broker answered.
//!
//! One client and one thread for the process. A client that became fatal is replaced; what it still held is told as
//! refused, and may be tried again.

#[cfg(test)]
mod bugs;
mod contained;
mod deliveries;
mod keeper;
mod queued;
mod refusal;
mod state;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use faststream_core::broker::{BoxFuture, BrokerError, Producer, Receipt};
use faststream_core::publish::{Outgoing, Partition};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tokio::sync::oneshot;

use deliveries::{Deliveries, Ticket};
use queued::Queued;
use refusal::refused;
use state::State;
pub(crate) use state::Waiting;

use crate::config::Secrets;
use crate::errors::ErrorLog;
use crate::native::add_header;

/// The client, and the records that were handed to it.
type Client = BaseProducer<Deliveries>;

/// The producer of a cluster.
pub(crate) struct KafkaProducer {
    shared: Arc<Shared>,
}

/// What the handle and the thread share.
struct Shared {
    config: ClientConfig,
    /// Empty once the handle is gone: the thread drops the last client, as that can block.
    client: RwLock<Option<Arc<Client>>>,
    queued: Queued,
    state: Arc<State>,
}

impl KafkaProducer {
    /// A producer and its thread. It begins to connect.
    ///
    /// # Errors
    /// What the client library refuses in the settings.
    pub(crate) fn new(config: ClientConfig, who: &str) -> Result<Self, BrokerError> {
        let secrets = Secrets::of(&config);
        let failed = |reason: &dyn fmt::Display| {
            let reason = reason.to_string();
            BrokerError::new(format!("{who}: no producer can be made: {}", secrets.hide(&reason)))
        };
        let errors = ErrorLog::new(format!("{who}: the producer")).without(secrets.clone());
        let state = Arc::new(State::new(errors));
        let client = Arc::new(Deliveries::client(&config, &state).map_err(|error| failed(&error))?);
        let shared = Shared {
            config,
            client: RwLock::new(Some(Arc::clone(&client))),
            queued: Queued::default(),
            state,
        };
        let shared = Arc::new(shared);
        keeper::start(Arc::clone(&shared), client).map_err(|error| failed(&error))?;
        Ok(Self { shared })
    }

    /// Asks for all topics; blocks.
    pub(crate) fn metadata(&self, timeout: Duration) -> Result<Metadata, KafkaError> {
        let client =
            self.shared.client().ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerDestroy))?;
        client.client().fetch_metadata(None, timeout)
    }

    /// From now on errors are kept for [`trouble`](Self::trouble) instead of logged, until the answer is dropped.
    pub(crate) fn waiting(&self) -> Waiting {
        State::waiting(&self.shared.state)
    }

    /// What the client complained about last.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.shared.state.trouble()
    }
}

impl Producer for KafkaProducer {
    fn enqueue(&self, record: Outgoing) -> Receipt {
        if let Err(error) = record.check() {
            return Receipt::known(Err(error));
        }
        let (answer, answered) = oneshot::channel();
        let topic = record.topic.to_string();
        self.shared.send(&record, Ticket::new(answer, size(&record), self.shared.queued.pass()));
        Receipt::waiting(topic, answered)
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.shared.queued.all())
    }
}

impl Shared {
    fn client(&self) -> Option<Arc<Client>> {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands a record to the client, or answers the ticket with the reason why not.
    fn send(&self, record: &Outgoing, mut ticket: Box<Ticket>) {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner);
        let partition = match record.partition {
            Partition::Exactly(partition) => Some(partition),
            Partition::IfExists(partition) if partition >= 0 => {
                ticket.instead = Some(Outgoing { partition: Partition::ByKey, ..record.clone() });
                Some(partition)
            }
            Partition::IfExists(_) | Partition::ByKey => None,
        };
        let mut result = hand_over(client.as_deref(), record, partition, ticket);
        // The client knows the topic; if it does not yet, the delivery says the same later.
        if let Err((RDKafkaErrorCode::UnknownPartition, ticket)) = &mut result
            && ticket.instead.take().is_some()
            && let Err((_, ticket)) = result
        {
            result = hand_over(client.as_deref(), record, None, ticket);
        }
        if let Err((code, ticket)) = result {
            ticket.answer(Err(refused(code, &record.topic, size(record))));
        }
    }
}

fn hand_over(
    client: Option<&Client>,
    record: &Outgoing,
    partition: Option<i32>,
    ticket: Box<Ticket>,
) -> Result<(), (RDKafkaErrorCode, Box<Ticket>)> {
    let Some(client) = client else { return Err((RDKafkaErrorCode::BrokerDestroy, ticket)) };
    if partition.is_some_and(|partition| partition < 0) {
        return Err((RDKafkaErrorCode::UnknownPartition, ticket));
    }
    let native = BaseRecord {
        topic: &record.topic,
        partition,
        payload: record.payload.as_deref(),
        key: record.key.as_deref(),
        timestamp: record.timestamp,
        headers: headers(&record.headers),
        delivery_opaque: ticket,
    };
    client.send(native).map_err(|(error, native)| {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument);
        (code, native.delivery_opaque)
    })
}

fn headers(headers: &[(Bytes, Option<Bytes>)]) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let list = OwnedHeaders::new_with_capacity(headers.len());
    for (name, value) in headers {
        add_header(&list, name, value.as_deref());
    }
    Some(list)
}

/// What counts for the limits of a record's size.
fn size(record: &Outgoing) -> usize {
    let headers = record.headers.iter();
    let headers =
        headers.map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
    headers + record.key.as_ref().map_or(0, Bytes::len) + record.payload.as_ref().map_or(0, Bytes::len)
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        // In this order the thread's client is the last one.
        *self.shared.client.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.state.stop();
    }
}

impl fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaProducer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
