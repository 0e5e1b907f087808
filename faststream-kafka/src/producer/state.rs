//! The state that the client's callbacks and reports write. It is kept when the client is replaced.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use faststream_core::record::Outgoing;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::deliveries::DeliveryTicket;
use crate::error_log::{ErrorLog, cure};

/// What is known of the producer, whichever client reports it. Written by the producer's threads and librdkafka's
/// callbacks, read by the handle.
#[derive(Debug)]
pub(super) struct ProducerState {
    /// The log of its problems, once a minute for each kind.
    pub(super) errors: ErrorLog,
    /// The client's last error, without secrets. Never cleared.
    trouble: Mutex<Option<String>>,
    /// Whether a caller waits for the broker's first answer, and logs what is wrong.
    is_waiting: AtomicBool,
    /// Whether the handle is dropped.
    is_stopped: AtomicBool,
    /// Whether the last client had a fatal error because of a missing permission, and nothing was written since.
    is_denied: AtomicBool,
    /// Records whose requested partition does not exist. The thread sends them by key.
    again: Mutex<Vec<(Outgoing, Box<DeliveryTicket>)>>,
    /// Panics that a test injects.
    #[cfg(test)]
    pub(super) bugs: super::faults::Bugs,
}

/// Keeps errors instead of logging them while this lives. Returned by
/// [`KafkaProducer::waiting`](super::KafkaProducer::waiting).
#[derive(Debug)]
pub(crate) struct Waiting(Arc<ProducerState>);

impl ProducerState {
    /// Returns the state of a producer that has not reported anything.
    pub(super) fn new(errors: ErrorLog) -> Self {
        Self {
            errors,
            trouble: Mutex::default(),
            is_waiting: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            is_denied: AtomicBool::new(false),
            again: Mutex::default(),
            #[cfg(test)]
            bugs: super::faults::Bugs::default(),
        }
    }

    /// Stops the logging of errors until the returned value is dropped. There is one such caller at a time: the
    /// startup.
    pub(super) fn waiting(state: &Arc<Self>) -> Waiting {
        state.is_waiting.store(true, SeqCst);
        Waiting(Arc::clone(state))
    }

    /// Records an error of the client as a whole, and logs it unless a caller waits for the broker.
    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        // "1/1 brokers are down" follows the reason, and would replace it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(format!("{}{}", self.errors.clean(reason), cure(error)));
        }
        if !self.is_waiting.load(SeqCst) {
            self.errors.client_error(error, reason);
        }
    }

    /// Returns the last error of the client.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Queues a record for the thread, which sends it by its key. Not sent here: this runs inside the handling of
    /// a report.
    pub(super) fn send_again(&self, record: Outgoing, ticket: Box<DeliveryTicket>) {
        self.again.lock().unwrap_or_else(PoisonError::into_inner).push((record, ticket));
    }

    /// Takes the records that are to be sent by key.
    pub(super) fn take_again(&self) -> Vec<(Outgoing, Box<DeliveryTicket>)> {
        std::mem::take(&mut *self.again.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records that a client is replaced because it has no permission to write. From then on, the refusals that
    /// the replacement causes are reported as denied.
    pub(super) fn denied(&self) {
        self.is_denied.store(true, SeqCst);
    }

    /// Records that a record was written, which ends the state of [`denied`](Self::denied). Called for each
    /// record, so it only reads an atomic value in the usual case.
    pub(super) fn written(&self) {
        if self.is_denied.load(Relaxed) {
            self.is_denied.store(false, SeqCst);
        }
    }

    /// Returns the code with which a record was refused. The codes that the end of a client without permission
    /// causes say nothing about the record, so they become the missing permission.
    pub(super) fn reason(&self, code: RDKafkaErrorCode) -> RDKafkaErrorCode {
        use RDKafkaErrorCode::{ClusterAuthorizationFailed, Fatal, PurgeInflight, PurgeQueue};
        match code {
            Fatal | PurgeQueue | PurgeInflight if self.is_denied.load(SeqCst) => ClusterAuthorizationFailed,
            code => code,
        }
    }

    /// Ends the threads after their current turn.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, SeqCst);
    }

    /// Returns whether the handle is dropped.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(SeqCst)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_waiting.store(false, SeqCst);
    }
}
