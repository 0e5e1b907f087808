//! The current client of a producer, and the state that its handle and its thread share.

use std::sync::{Arc, PoisonError, RwLock};

use faststream_core::broker::PublishError;
use faststream_core::record::Outgoing;
use rdkafka::ClientConfig;
use rdkafka::producer::BaseProducer;

use super::alone::Alone;
use super::deliveries::{Deliveries, DeliveryTicket, size};
use super::enqueue::enqueue_record;
use super::queued::Queued;
use super::refusal::Refused;
use super::state::ProducerState;
use crate::native::Events;

/// A client of librdkafka, whose opaque value for each record is its ticket.
pub(super) type ProducerClient = BaseProducer<Deliveries>;

/// The state shared by the handle and the thread. It outlives every single client.
pub(super) struct Shared {
    /// The settings of each client, for a replacement.
    pub(super) config: ClientConfig,
    /// The current client. `None` once the handle is dropped: the thread drops the last client, because that can
    /// block.
    pub(super) client: RwLock<Option<Live>>,
    /// The records in flight through this client, for `flush`.
    pub(super) queued: Queued,
    /// The records of refused batches.
    pub(super) alone: Arc<Alone>,
    /// The state that the client's callbacks write.
    pub(super) state: Arc<ProducerState>,
}

/// The current client, and its reports. Cloned by the thread, so that both are the same.
#[derive(Clone)]
pub(super) struct Live {
    /// The client. Records are sent under the read lock, so nobody else holds a clone for long.
    pub(super) client: Arc<ProducerClient>,
    /// The queue that the thread reads. Its count tells the thread when the handle has dropped its clone.
    pub(super) events: Arc<Events<Deliveries>>,
}

impl Live {
    /// Takes over a client, and opens its queue of reports.
    pub(super) fn new(client: ProducerClient) -> Self {
        let client = Arc::new(client);
        Self { events: Arc::new(Events::of(&client)), client }
    }
}

impl Shared {
    /// Returns a clone of the current client; `None` if the producer has ended. Whoever holds it delays the end of
    /// the client.
    pub(super) fn client(&self) -> Option<Arc<ProducerClient>> {
        let live = self.client.read().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|live| Arc::clone(&live.client))
    }

    /// Passes a record to the client, or to the line of its topic while records of a refused batch are sent alone.
    /// Returns the ticket with the error if it was not accepted.
    pub(super) fn send(
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
