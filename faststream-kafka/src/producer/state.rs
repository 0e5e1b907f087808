//! The reports of the producer's client, kept when the client is replaced.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use faststream_core::record::Outgoing;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::deliveries::DeliveryTicket;
use crate::error_log::{ErrorLog, cure};

/// The reports of the producer's client.
#[derive(Debug)]
pub(super) struct ProducerState {
    pub(super) errors: ErrorLog,
    /// The client's last error.
    trouble: Mutex<Option<String>>,
    /// Whether a caller waits for the broker's first answer, and logs what is wrong.
    is_waiting: AtomicBool,
    /// Whether the handle is dropped.
    is_stopped: AtomicBool,
    /// Whether the last client had a fatal error because of a missing permission, and nothing was written since.
    is_denied: AtomicBool,
    /// Records whose requested partition does not exist. The thread sends them by key.
    again: Mutex<Vec<(Outgoing, Box<DeliveryTicket>)>>,
    #[cfg(test)]
    pub(super) bugs: super::faults::Bugs,
}

/// Keeps errors instead of logging them while this lives.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<ProducerState>);

impl ProducerState {
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

    pub(super) fn waiting(state: &Arc<Self>) -> Waiting {
        state.is_waiting.store(true, SeqCst);
        Waiting(Arc::clone(state))
    }

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

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn send_again(&self, record: Outgoing, ticket: Box<DeliveryTicket>) {
        self.again.lock().unwrap_or_else(PoisonError::into_inner).push((record, ticket));
    }

    pub(super) fn take_again(&self) -> Vec<(Outgoing, Box<DeliveryTicket>)> {
        std::mem::take(&mut *self.again.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records that a client is replaced because it has no permission to write.
    pub(super) fn denied(&self) {
        self.is_denied.store(true, SeqCst);
    }

    /// Records that a record was written.
    pub(super) fn written(&self) {
        if self.is_denied.load(Relaxed) {
            self.is_denied.store(false, SeqCst);
        }
    }

    /// Returns why a record was refused. The end of a client without permission to write says nothing about its
    /// records.
    pub(super) fn reason(&self, code: RDKafkaErrorCode) -> RDKafkaErrorCode {
        use RDKafkaErrorCode::{ClusterAuthorizationFailed, Fatal, PurgeInflight, PurgeQueue};
        match code {
            Fatal | PurgeQueue | PurgeInflight if self.is_denied.load(SeqCst) => ClusterAuthorizationFailed,
            code => code,
        }
    }

    pub(super) fn stop(&self) {
        self.is_stopped.store(true, SeqCst);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(SeqCst)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_waiting.store(false, SeqCst);
    }
}
