//! What the client calls back: the end of each record, errors, log lines. It only records what happened.

use std::sync::Arc;

use faststream_core::broker::{PublishError, Published};
use faststream_core::publish::Outgoing;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Headers as _, Message as _};
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;
use rdkafka::{ClientConfig, error::KafkaResult};
use tokio::sync::oneshot;

use super::Client;
use super::queued::Pass;
use super::refusal::refused;
use super::state::State;

/// What travels with a record through the client.
#[derive(Debug)]
pub(super) struct Ticket {
    answer: oneshot::Sender<Result<Published, PublishError>>,
    /// What to send if the wished partition does not exist.
    pub(super) instead: Option<Outgoing>,
    /// Counts it for `flush` until it is answered.
    _pass: Arc<Pass>,
}

impl Ticket {
    pub(super) fn new(
        answer: oneshot::Sender<Result<Published, PublishError>>,
        pass: Arc<Pass>,
    ) -> Box<Self> {
        Box::new(Self { answer, instead: None, _pass: pass })
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
        self.state.errors.client_log(level, facility, message);
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.state.error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, mut ticket: Box<Ticket>) {
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
                    _ => ticket.answer(Err(refused(code, message.topic(), size(message)))),
                }
            }
        }
    }
}

fn size(message: &BorrowedMessage<'_>) -> usize {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers = headers.map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum::<usize>();
    headers + message.key().map_or(0, <[u8]>::len) + message.payload().map_or(0, <[u8]>::len)
}
