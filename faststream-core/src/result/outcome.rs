//! The outcome of one call: the handler's result in the runtime's terms.

use std::error::Error;
use std::fmt;

use super::Rejection;
use super::Verdict;
use crate::log::bounded;
use crate::record::Outgoing;

/// The outcome of one call, before the policy decides what happens to the record.
///
/// Observers see it. More kinds will come, so a `match` on it needs a last arm.
#[derive(Debug)]
#[non_exhaustive]
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

/// A handler's error: the name of its type, its chain of causes as one line, and the error itself where there is one.
///
/// A panic, a timeout and a value that cannot be encoded have no error behind them.
pub struct HandlerError {
    /// The name of the error's type, for metrics and the dead letter; `panic` and `timeout` for what has none.
    pub kind: &'static str,
    /// The error and its causes, joined by `: `. At most 4 KiB, then with a mark.
    pub message: String,
    /// The error that the handler returned, for whoever decides by its type.
    source: Option<BoxError>,
}

/// An error that a handler returned.
type BoxError = Box<dyn Error + Send + Sync>;

impl HandlerError {
    /// Returns an error of the named kind, without a source. A message beyond 4 KiB is cut, with a mark.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: bounded(message.into()), source: None }
    }

    /// Returns the error that a handler returned, which stays its [`source`](Error::source).
    #[must_use]
    pub fn of(kind: &'static str, error: BoxError) -> Self {
        Self { kind, message: chain(&*error), source: Some(error) }
    }
}

/// Joins an error and its causes by `: `, and omits the parts of a message that repeat its cause. Beyond 4 KiB the text is
/// cut, with a mark.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
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
    bounded(message)
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for HandlerError {
    /// Returns the error that the handler returned; `downcast_ref` gives it by its type.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| &**error as &(dyn Error + 'static))
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::IntoOutcome;

    #[derive(Debug, thiserror::Error)]
    #[error("no price")]
    struct NoPrice(#[source] std::num::ParseIntError);

    #[test]
    fn a_handlers_error_keeps_its_type_and_its_causes() {
        let cause = "seven".parse::<u8>().expect_err("no number");
        let Outcome::Failed(error) = Err::<(), _>(NoPrice(cause)).into_outcome() else { panic!("it failed") };
        assert_eq!(error.to_string(), "no price: invalid digit found in string");
        assert!(error.kind.ends_with("NoPrice"), "{}", error.kind);
        let source = error.source().expect("the error itself");
        assert!(
            source.is::<NoPrice>() && source.source().is_some_and(<dyn Error>::is::<std::num::ParseIntError>)
        );
        assert!(HandlerError::new("panic", "boom").source().is_none());
    }
}
