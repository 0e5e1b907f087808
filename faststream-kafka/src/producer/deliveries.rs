//! Handles the client's reports: results of records, errors and log lines.
//!
//! Runs on the producer's threads. A log subscriber, or a task that waits for a receipt, may panic in here, so
//! each record is reported separately, and a panic ends only the report of one record.

use std::sync::Arc;

use bytes::Bytes;
use faststream_core::broker::{Answer, PublishError, Published};
use faststream_core::log::guarded;
use faststream_core::record::{Outgoing, Partition};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;
use rdkafka::{ClientConfig, error::KafkaResult};

use super::alone::InLine;
use super::live::ProducerClient;
use super::queued::QueueToken;
use super::refusal::{Refused, is_of_a_batch};
use super::state::ProducerState;
use crate::native::{Delivered, Event, Sent};

/// The data that travels with a record through the client, boxed as librdkafka's opaque pointer. Dropping it
/// answers the receipt with an error that may be retried, so no record is ever left without an answer.
#[derive(Debug)]
pub(crate) struct DeliveryTicket {
    /// The handle of the receipt.
    answer: Answer,
    /// Whether the requested partition may not exist, so that the key chooses another one then.
    may_go_by_key: bool,
    /// Its entry among the records that are sent alone; `None` on the usual way.
    pub(super) line: Option<InLine>,
    /// Counts it for `flush` until it is answered.
    pub(super) token: Arc<QueueToken>,
}

impl DeliveryTicket {
    /// Returns the ticket of a record that is to be sent to `partition`.
    pub(super) fn new(answer: Answer, partition: Partition, token: Arc<QueueToken>) -> Self {
        let may_go_by_key = matches!(partition, Partition::IfExists(_));
        Self { answer, may_go_by_key, line: None, token }
    }

    /// Returns whether the key is to choose the partition for the first time.
    pub(super) fn goes_by_key(&mut self) -> bool {
        std::mem::take(&mut self.may_go_by_key)
    }

    /// Answers that its record, for this topic, was refused, with the kind of the error and its fix.
    pub(super) fn refuse(self, topic: &str, refused: &Refused<'_>) {
        self.give(Err(refused.error(topic)));
    }

    /// Answers the receipt, and wakes the task that waits for it.
    pub(super) fn give(self, result: Result<Published, PublishError>) {
        self.answer.give(result);
    }

    /// Discards the ticket without an answer: the sender knows the result from the return value.
    pub(super) fn spare(self) {
        self.answer.spare();
    }
}

/// The context of one client: librdkafka calls it for log lines and errors, and for the records that are left when
/// the client is dropped.
#[derive(Debug)]
pub(crate) struct Deliveries {
    /// The state to report to, the same for every client of a producer.
    state: Arc<ProducerState>,
}

impl Deliveries {
    /// Returns a new client that reports to `state`. It begins to connect.
    pub(super) fn client(config: &ClientConfig, state: &Arc<ProducerState>) -> KafkaResult<ProducerClient> {
        config.create_with_context(Self { state: Arc::clone(state) })
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        guarded(|| self.state.errors.client_log(level, facility, message));
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        guarded(|| self.state.error(&error, reason));
    }
}

/// Receives what the client still has when it is dropped; everything else arrives as [`Event`]s.
impl ProducerContext for Deliveries {
    /// What librdkafka returns with each record.
    type DeliveryOpaque = Box<DeliveryTicket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<DeliveryTicket>) {
        guarded(|| match result {
            Ok(message) => {
                let published = Published { partition: message.partition(), offset: message.offset() };
                ticket.give(Ok(published));
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                ticket.refuse(message.topic(), &Refused { code, size: message.payload_len(), reason: "" });
            }
        });
    }
}

impl ProducerState {
    /// Handles an event of the client. Returns the records of a batch that was refused as a whole, which are to be
    /// sent again alone before any of them is judged. `is_alone` is whether each record was its own batch.
    pub(super) fn handle(
        &self,
        event: Event<Deliveries>,
        is_alone: bool,
    ) -> Vec<(Outgoing, Box<DeliveryTicket>)> {
        match event {
            Event::Delivered(delivered) => return self.delivered(delivered, is_alone),
            Event::Error(code, reason) => {
                guarded(|| self.error(&KafkaError::Global(code), &reason));
            }
            Event::Log(level, facility, line) => {
                guarded(|| self.errors.client_log(level, &facility, &line));
            }
            Event::Other => {}
        }
        Vec::new()
    }

    /// Answers the records of one event. Returns those of a batch that was refused as a whole; see
    /// [`apart`](Self::apart).
    fn delivered(
        &self,
        delivered: Delivered<Deliveries>,
        is_alone: bool,
    ) -> Vec<(Outgoing, Box<DeliveryTicket>)> {
        let is_a_batch = !is_alone && delivered.len() > 1;
        let mut batch = Vec::new();
        delivered.each(|sent, ticket| {
            // A ticket that is dropped here reports that its record may be sent again.
            guarded(|| {
                #[cfg(test)]
                self.bugs.hit(super::faults::FaultPoint::Delivery);
                match sent.error() {
                    None => {
                        let published = Published { partition: sent.partition(), offset: sent.offset() };
                        self.written();
                        ticket.give(Ok(published));
                    }
                    Some(code) if is_a_batch && is_of_a_batch(code) => {
                        batch.push((code, sent.reason(), sent.record(), ticket));
                    }
                    Some(code) => self.refused(code, &sent, ticket),
                }
            });
        });
        self.apart(batch)
    }

    /// Answers a record that was refused for itself. If its requested partition does not exist and the key may
    /// choose, it is sent again instead.
    fn refused(&self, code: RDKafkaErrorCode, sent: &Sent<'_>, mut ticket: Box<DeliveryTicket>) {
        let record = sent.record();
        if code == RDKafkaErrorCode::UnknownPartition && ticket.goes_by_key() {
            return self.send_again(Outgoing { partition: Partition::ByKey, ..record }, ticket);
        }
        let code = self.reason(code);
        ticket.refuse(&record.topic, &Refused { code, size: size(&record), reason: &sent.reason() });
    }

    /// Separates the records of a refused batch, and logs the refusal once a minute for each topic.
    ///
    /// A broker that knows KIP-467 names the records at fault, and librdkafka reports `InvalidDifferentRecord` for
    /// the others: then those at fault are refused here. Otherwise nobody knows which record caused it, and all
    /// are returned to be sent alone.
    fn apart(
        &self,
        batch: Vec<(RDKafkaErrorCode, String, Outgoing, Box<DeliveryTicket>)>,
    ) -> Vec<(Outgoing, Box<DeliveryTicket>)> {
        let Some((code, _, first, _)) = batch.first() else { return Vec::new() };
        let another = RDKafkaErrorCode::InvalidDifferentRecord;
        let are_named = batch.iter().any(|(code, ..)| *code == another);
        let bytes: usize = batch.iter().map(|(.., record, _)| size(record)).sum();
        let cure = match code {
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge => {
                "; set batch.size of the producer below max.message.bytes of the topic, and batches pass again"
            }
            _ => "",
        };
        self.errors.log(
            &format!("batch {}", first.topic),
            format_args!(
                "topic {}: the broker refused a batch of {} records with {bytes} bytes: {code:?}; that says nothing of one \
                 record: each is sent again alone{cure}",
                first.topic,
                batch.len(),
            ),
        );
        let mut apart = Vec::with_capacity(batch.len());
        for (code, reason, record, ticket) in batch {
            if are_named && code != another {
                ticket.refuse(&record.topic, &Refused { code, size: size(&record), reason: &reason });
            } else {
                apart.push((record, ticket));
            }
        }
        apart
    }
}

impl Sent<'_> {
    /// Returns a copy of the record as it was sent, to the partition that it was sent to, which keeps the order
    /// within that partition.
    fn record(&self) -> Outgoing {
        Outgoing {
            topic: self.topic().into(),
            partition: Partition::Exactly(self.partition()),
            key: self.key(),
            payload: self.payload(),
            headers: self.headers(),
            timestamp: self.timestamp(),
        }
    }
}

/// Returns the size that counts for the limits of a record: key, value and headers, in bytes.
pub(super) fn size(record: &Outgoing) -> usize {
    let headers = record.headers.iter();
    let headers =
        headers.map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
    headers + record.key.as_ref().map_or(0, Bytes::len) + record.payload.as_ref().map_or(0, Bytes::len)
}
