//! Why a backend could not do what it was asked.

use crate::log::bounded;

/// A backend could not do what it was asked: the sentence names the address or setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokerError {
    message: String,
}

impl BrokerError {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: bounded(message.into()) }
    }
}
