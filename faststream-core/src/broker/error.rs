//! The error of a backend that could not do what was requested.

use crate::log::bounded;

/// A backend could not do what was requested. The message names the address or setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BrokerError {
    message: String,
}

impl BrokerError {
    /// Returns an error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: bounded(message.into()) }
    }
}
