//! The outcome of one call: the handler's result in the runtime's terms.

use std::error::Error;
use std::fmt;

use super::Rejection;
use super::Verdict;
use crate::log::bounded;
use crate::record::Outgoing;

/// The outcome of one call, before the policy decides what happens to the record.
#[derive(Debug)]
pub enum Outcome {
    /// The handler decided. `()` and `Ok(())` are `Ack`.
    Verdict(Verdict),
    /// The call succeeded. The broker has to confirm these records before the record counts as finished.
    Publish(Vec<Outgoing>),
    /// The handler returned an error.
    Failed(HandlerError),
    /// An argument could not be read. Never retried.
    Rejected(Rejection),
    /// A returned value, or an error to publish, cannot be encoded. Never retried.
    NotEncodable(HandlerError),
}

/// A handler's error, with the name of its type and its chain of causes as one line.
pub struct HandlerError {
    /// The name of the error's type, for metrics and the dead letter.
    pub kind: &'static str,
    /// The error and its causes, joined by `: `.
    pub message: String,
}

impl HandlerError {
    /// Returns an error of the named kind. A message beyond 4 KiB is cut, with a mark.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: bounded(message.into()) }
    }

    /// Joins the error and its causes by `: `, and omits the parts of a message that repeat its cause. Beyond 4 KiB the
    /// text is cut, with a mark.
    #[must_use]
    pub fn from_chain(kind: &'static str, error: &(dyn Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self::new(kind, message)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}
