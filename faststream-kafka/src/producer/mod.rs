//! The producer: queues records without blocking, and resolves a receipt for each when the broker has answered.
//!
//! The way of a record:
//!
//! 1. `enqueue` checks the record, makes a [`DeliveryTicket`] and passes both to librdkafka, which copies the
//!    record. It never waits: a full queue is an error that the caller retries.
//! 2. librdkafka's threads build batches and send them. An idempotent producer repeats a batch until
//!    `message.timeout.ms` (5 minutes), in order and without duplicates.
//! 3. The producer's thread (`thread`) reads the answers (`deliveries`), turns codes into errors with a fix
//!    (`refusal`), and answers the receipt through the ticket.
//! 4. A batch that the broker refused because of some record in it is split: each of its records is sent again in
//!    a batch of its own (`alone`).
//!
//! There is one client and one thread for the process. A client with a fatal error is replaced; the records that
//! it still held are reported as refused, and may be retried. A second client exists while records of a refused
//! batch are sent alone.
//!
//! Locks: `client` is read-locked for each record and write-locked only by a replacement; no lock is held while a
//! receipt is answered.

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

/// A client of librdkafka, whose opaque value for each record is its ticket.
pub(crate) type ProducerClient = BaseProducer<Deliveries>;

/// The producer of a cluster, shared by everything that publishes. Dropping it ends the thread, which drops the
/// client.
pub(crate) struct KafkaProducer {
    /// The part that the thread needs, too.
    shared: Arc<Shared>,
    /// How many partitions each topic had in the last metadata. Written by [`metadata`](Self::metadata), read when
    /// a group is joined, to divide the fetch memory.
    partitions: Mutex<BTreeMap<Box<str>, u64>>,
}

/// The state shared by the handle and the thread. It outlives every single client.
struct Shared {
    /// The settings of each client, for a replacement.
    config: ClientConfig,
    /// The current client. `None` once the handle is dropped: the thread drops the last client, because that can
    /// block.
    client: RwLock<Option<Live>>,
    /// The records in flight through this client, for `flush`.
    queued: Queued,
    /// The records of refused batches.
    alone: Arc<Alone>,
    /// The state that the client's callbacks write.
    state: Arc<ProducerState>,
}

/// The current client, and its reports. Cloned by the thread, so that both are the same.
#[derive(Clone)]
struct Live {
    /// The client. Records are sent under the read lock, so nobody else holds a clone for long.
    client: Arc<ProducerClient>,
    /// The queue that the thread reads. Its count tells the thread when the handle has dropped its clone.
    events: Arc<Events>,
}

impl KafkaProducer {
    /// Creates the client and starts its thread. The client begins to connect, and this does not wait for it.
    ///
    /// `who` begins the log lines (`kafka at localhost:9092`), `reach` is what all clients of the cluster know
    /// about unreachable brokers.
    ///
    /// # Errors
    /// If the client library refuses the settings, or no thread can be started. The text has no secrets.
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

    /// Requests the metadata of all topics, and remembers their numbers of partitions. Blocks for at most
    /// `timeout`, so it is called on threads of its own (`connect::on_a_thread`), never on a tokio worker.
    ///
    /// # Errors
    /// If no broker answers in time, or the producer has ended.
    pub(crate) fn metadata(&self, timeout: Duration) -> Result<Metadata, KafkaError> {
        let client =
            self.shared.client().ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerDestroy))?;
        let metadata = client.client().fetch_metadata(None, timeout)?;
        let partitions =
            metadata.topics().iter().map(|topic| (topic.name().into(), topic.partitions().len() as u64));
        *self.partitions.lock().unwrap_or_else(PoisonError::into_inner) = partitions.collect();
        Ok(metadata)
    }

    /// Returns how many partitions these topics had in the last metadata, all together. 0 before the first
    /// metadata.
    pub(crate) fn partitions(&self, is_asked: impl Fn(&str) -> bool) -> u64 {
        let known = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|(topic, _)| is_asked(topic)).map(|(_, partitions)| *partitions).sum()
    }

    /// Keeps errors for [`trouble`](Self::trouble) instead of logging them, until the returned value is dropped.
    /// For a caller that waits for the broker, and logs the last error itself.
    pub(crate) fn waiting(&self) -> Waiting {
        ProducerState::waiting(&self.shared.state)
    }

    /// Returns the client's last error, without secrets; `None` if there was none. It is not cleared when the
    /// client recovers.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.shared.state.trouble()
    }
}

impl Producer for KafkaProducer {
    /// Queues one record. Called for each published record, on any thread. It waits for nothing, and allocates the
    /// ticket, the headers and librdkafka's copy.
    ///
    /// Returns `None` if the receipt will be answered later, otherwise the error.
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

    /// Resolves when every record that was queued before this call is answered, those of refused batches included.
    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.queued.all().await;
            // The records that were refused with their batch meanwhile.
            self.shared.alone.queued.all().await;
        })
    }
}

impl Live {
    /// Takes over a client, and opens its queue of reports.
    fn new(client: ProducerClient) -> Self {
        let client = Arc::new(client);
        Self { events: Arc::new(Events::of(&client)), client }
    }
}

impl Shared {
    /// Returns a clone of the current client; `None` if the producer has ended. Whoever holds it delays the end of
    /// the client.
    fn client(&self) -> Option<Arc<ProducerClient>> {
        let live = self.client.read().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|live| Arc::clone(&live.client))
    }

    /// Passes a record to the client, or to the line of its topic while records of a refused batch are sent alone.
    /// Returns the ticket with the error if it was not accepted.
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

/// Passes a record to a client, by its key if the client knows that the requested partition does not exist. If the
/// client does not know yet, the delivery reports that later.
///
/// A negative partition is refused if it was requested exactly: librdkafka would take -1 for "choose one".
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

/// Calls librdkafka once. `partition` is `None` if the key chooses. On an error the ticket is returned, because
/// nothing will report for this record.
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

/// Returns the headers as a list of librdkafka; `None` without headers, which saves an allocation. Three headers
/// halve the throughput of a producer.
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
