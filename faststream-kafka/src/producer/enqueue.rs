//! Passes one record to a client of librdkafka.

use bytes::Bytes;
use faststream_core::record::{Outgoing, Partition};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::BaseRecord;

use super::deliveries::DeliveryTicket;
use super::live::ProducerClient;
use crate::native::add_header;

/// Passes a record to a client, by its key if the client knows that the requested partition does not exist. If the
/// client does not know yet, the delivery reports that later.
///
/// A negative partition is refused if it was requested exactly: librdkafka would take -1 for "choose one".
pub(super) fn enqueue_record(
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
