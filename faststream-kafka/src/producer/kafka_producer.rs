//! The producer of a cluster, as the app holds it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use faststream_core::broker::{Answer, BoxFuture, BrokerError, Producer, PublishError, Published};
use faststream_core::record::Outgoing;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::Producer as _;

use super::alone::Alone;
use super::deliveries::{Deliveries, DeliveryTicket};
use super::live::{Live, Shared};
use super::queued::Queued;
use super::state::{ProducerState, Waiting};
use super::thread;
use crate::config::Secrets;
use crate::error_log::ErrorLog;
use crate::reach::Reach;

/// The producer of a cluster, shared by everything that publishes. Dropping it ends the thread, which drops the
/// client.
pub(crate) struct KafkaProducer {
    /// The part that the thread needs, too.
    pub(super) shared: Arc<Shared>,
    /// How many partitions each topic had in the last metadata. Written by [`metadata`](Self::metadata), read when
    /// a group is joined, to divide the fetch memory.
    partitions: Mutex<BTreeMap<Box<str>, u64>>,
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
