//! What the client calls back: the end of each record, errors, log lines. It only records what happened.
//!
//! Whoever listens to log lines, or waits for a receipt, may panic in here: a call that unwound into the client would lose
//! the answers that it has not told yet.

use std::sync::Arc;

use faststream_core::broker::{PublishError, Published};
use faststream_core::publish::Outgoing;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;
use rdkafka::{ClientConfig, error::KafkaResult};
use tokio::sync::oneshot;

use super::queued::Pass;
use super::refusal::refused;
use super::state::State;
use super::{Client, contained};

/// What travels with a record through the client.
#[derive(Debug)]
pub(super) struct Ticket {
    answer: oneshot::Sender<Result<Published, PublishError>>,
    /// What to send if the wished partition does not exist.
    pub(super) instead: Option<Outgoing>,
    /// The record's, for what is said when it is refused. Not read from the message: the safe interface panics at header
    /// names that are no UTF-8, and the producer's thread would be gone.
    size: usize,
    /// Counts it for `flush` until it is answered.
    _pass: Arc<Pass>,
}

impl Ticket {
    pub(super) fn new(
        answer: oneshot::Sender<Result<Published, PublishError>>,
        size: usize,
        pass: Arc<Pass>,
    ) -> Box<Self> {
        Box::new(Self { answer, instead: None, size, _pass: pass })
    }

    pub(super) fn answer(self, result: Result<Published, PublishError>) {
        // Nobody may want to know.
        let _ = self.answer.send(result);
    }
}

/// The context of one client.
#[derive(Debug)]
pub(super) struct Deliveries {
    state: Arc<State>,
}

impl Deliveries {
    /// A client that reports to `state`.
    pub(super) fn client(config: &ClientConfig, state: &Arc<State>) -> KafkaResult<Client> {
        config.create_with_context(Self { state: Arc::clone(state) })
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        contained::panics(|| self.state.errors.client_log(level, facility, message));
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        contained::panics(|| self.state.error(&error, reason));
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        // A ticket that is dropped on the way tells that its record may be sent again.
        contained::panics(|| self.delivered(result, ticket));
    }
}

impl Deliveries {
    fn delivered(&self, result: &DeliveryResult<'_>, mut ticket: Box<Ticket>) {
        #[cfg(test)]
        self.state.bugs.strike(super::bugs::Place::Delivery);
        match result {
            Ok(message) => {
                ticket.answer(Ok(Published { partition: message.partition(), offset: message.offset() }));
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                match ticket.instead.take() {
                    Some(by_key) if code == RDKafkaErrorCode::UnknownPartition => {
                        self.state.send_again(by_key, ticket);
                    }
                    _ => {
                        let error = refused(code, message.topic(), ticket.size);
                        ticket.answer(Err(error));
                    }
                }
            }
        }
    }
}
