//! The producer: queues records without blocking, and resolves a receipt for each when the broker has answered.
//!
//! There is one client and one thread for the process. A client with a fatal error is replaced. The records that it
//! still held are reported as refused, and may be retried. A second client exists while records of a refused batch are
//! sent alone.

mod alone;
mod deliveries;
#[cfg(test)]
mod faults;
mod queued;
mod refusal;
mod state;
mod thread;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use faststream_core::broker::{Answer, BoxFuture, BrokerError, Producer, PublishError, Published};
use faststream_core::record::{Outgoing, Partition};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use alone::Alone;
pub(crate) use deliveries::DeliveryTicket;
use deliveries::{Deliveries, size};
use queued::Queued;
use refusal::Refused;
use state::ProducerState;
pub(crate) use state::Waiting;

use crate::config::Secrets;
use crate::error_log::ErrorLog;
use crate::native::{Events, add_header};
use crate::reach::Reach;

/// The client, and the records that were passed to it.
pub(crate) type ProducerClient = BaseProducer<Deliveries>;

/// The producer of a cluster.
pub(crate) struct KafkaProducer {
    shared: Arc<Shared>,
    /// How many partitions each topic had last.
    partitions: Mutex<BTreeMap<Box<str>, u64>>,
}

/// The state shared by the handle and the thread.
struct Shared {
    config: ClientConfig,
    /// Empty once the handle is dropped: the thread drops the last client, because that can block.
    client: RwLock<Option<Live>>,
    queued: Queued,
    alone: Arc<Alone>,
    state: Arc<ProducerState>,
}

/// The current client, and its reports.
#[derive(Clone)]
struct Live {
    client: Arc<ProducerClient>,
    events: Arc<Events>,
}

impl KafkaProducer {
    /// Starts a producer and its thread. It begins to connect.
    ///
    /// # Errors
    /// If the client library refuses the settings.
    pub(crate) fn new(config: ClientConfig, who: &str, reach: &Arc<Reach>) -> Result<Self, BrokerError> {
        let secrets = Secrets::of(&config);
        let failed = |reason: &dyn fmt::Display| {
            let reason = reason.to_string();
            BrokerError::new(format!("{who}: no producer can be made: {}", secrets.hide(&reason)))
        };
        let errors = ErrorLog::new(format!("{who}: the producer")).without(secrets.clone());
        let errors = errors.within(who, reach);
        let state = Arc::new(ProducerState::new(errors));
        let live = Live::new(Deliveries::client(&config, &state).map_err(|error| failed(&error))?);
        let shared = Shared {
            alone: Alone::new(&config, &state),
            config,
            client: RwLock::new(Some(live.clone())),
            queued: Queued::default(),
            state,
        };
        let shared = Arc::new(shared);
        thread::start(Arc::clone(&shared), live).map_err(|error| failed(&error))?;
        Ok(Self { shared, partitions: Mutex::default() })
    }

    /// Requests the metadata of all topics. Blocks.
    pub(crate) fn metadata(&self, timeout: Duration) -> Result<Metadata, KafkaError> {
        let client =
            self.shared.client().ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerDestroy))?;
        let metadata = client.client().fetch_metadata(None, timeout)?;
        let partitions =
            metadata.topics().iter().map(|topic| (topic.name().into(), topic.partitions().len() as u64));
        *self.partitions.lock().unwrap_or_else(PoisonError::into_inner) = partitions.collect();
        Ok(metadata)
    }

    /// Returns how many partitions these topics had in the last metadata.
    pub(crate) fn partitions(&self, is_asked: impl Fn(&str) -> bool) -> u64 {
        let known = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|(topic, _)| is_asked(topic)).map(|(_, partitions)| *partitions).sum()
    }

    /// Keeps errors for [`trouble`](Self::trouble) instead of logging them, until the returned value is dropped.
    pub(crate) fn waiting(&self) -> Waiting {
        ProducerState::waiting(&self.shared.state)
    }

    /// Returns the client's last error.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.shared.state.trouble()
    }
}

impl Producer for KafkaProducer {
    fn enqueue(&self, record: &Outgoing, answer: Answer) -> Option<Result<Published, PublishError>> {
        if let Err(error) = record.check() {
            answer.spare();
            return Some(Err(error));
        }
        let ticket = DeliveryTicket::new(answer, record.partition, self.shared.queued.token());
        let (refused, ticket) = self.shared.send(record, Box::new(ticket)).err()?;
        ticket.spare();
        Some(Err(refused))
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.queued.all().await;
            // The records that were refused with their batch meanwhile.
            self.shared.alone.queued.all().await;
        })
    }
}

impl Live {
    fn new(client: ProducerClient) -> Self {
        let client = Arc::new(client);
        Self { events: Arc::new(Events::of(&client)), client }
    }
}

impl Shared {
    fn client(&self) -> Option<Arc<ProducerClient>> {
        let live = self.client.read().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|live| Arc::clone(&live.client))
    }

    /// Passes a record to the client, or returns why it was not accepted.
    fn send(
        &self,
        record: &Outgoing,
        ticket: Box<DeliveryTicket>,
    ) -> Result<(), (PublishError, Box<DeliveryTicket>)> {
        let refused = |(code, ticket)| {
            let code = self.state.reason(code);
            (Refused { code, size: size(record), reason: "" }.error(&record.topic), ticket)
        };
        let Some(ticket) = self.alone.line_up(record, ticket).map_err(refused)? else { return Ok(()) };
        let live = self.client.read().unwrap_or_else(PoisonError::into_inner);
        enqueue_record(live.as_ref().map(|live| &*live.client), record, ticket).map_err(refused)
    }
}

/// Passes a record to a client, by its key if the client knows that the requested partition does not exist. If it does
/// not know yet, the delivery reports that later.
fn enqueue_record(
    client: Option<&ProducerClient>,
    record: &Outgoing,
    ticket: Box<DeliveryTicket>,
) -> Result<(), (RDKafkaErrorCode, Box<DeliveryTicket>)> {
    let Some(client) = client else { return Err((RDKafkaErrorCode::BrokerDestroy, ticket)) };
    let partition = match record.partition {
        Partition::Exactly(partition) if partition < 0 => {
            return Err((RDKafkaErrorCode::UnknownPartition, ticket));
        }
        Partition::Exactly(partition) => Some(partition),
        Partition::IfExists(partition) => Some(partition).filter(|partition| *partition >= 0),
        Partition::ByKey => None,
    };
    match send(client, record, partition, ticket) {
        Err((RDKafkaErrorCode::UnknownPartition, mut ticket)) => {
            if ticket.goes_by_key() {
                send(client, record, None, ticket)
            } else {
                Err((RDKafkaErrorCode::UnknownPartition, ticket))
            }
        }
        result => result,
    }
}

fn send(
    client: &ProducerClient,
    record: &Outgoing,
    partition: Option<i32>,
    ticket: Box<DeliveryTicket>,
) -> Result<(), (RDKafkaErrorCode, Box<DeliveryTicket>)> {
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

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        let live = self.shared.client.write().unwrap_or_else(PoisonError::into_inner).take();
        self.shared.state.stop();
        // The thread waits until this one is dropped, so that its own is the last.
        if let Some(live) = live {
            live.events.wake();
        }
    }
}

impl fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaProducer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
