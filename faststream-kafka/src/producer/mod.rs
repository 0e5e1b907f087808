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
mod enqueue;
#[cfg(test)]
mod faults;
mod kafka_producer;
mod live;
mod queued;
mod refusal;
mod state;
#[cfg(test)]
mod tests;
mod thread;

pub(crate) use kafka_producer::KafkaProducer;
