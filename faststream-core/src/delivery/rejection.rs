//! An argument that could not be read.

use crate::log::bounded;

/// An argument of a handler could not be read off its record. Never retried: the record will not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    message: String,
}

impl Rejection {
    /// A rejection that says `message`: lowercase, no full stop, without topic and offset (they are added). Beyond 4 KiB it is
    /// cut, with a mark.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: bounded(message.into()) }
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}
