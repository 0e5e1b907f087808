//! Results of handlers: `()`, a verdict, or a `Result` of one.

use std::any::type_name;
use std::error::Error;

use super::Decision;
use super::Verdict;
use super::{HandlerError, Outcome};

/// A value that a handler without `#[publisher]` can return.
///
/// ```
/// use faststream::{Decide, IntoOutcome, Verdict, subscriber};
///
/// /// Each of these is a result of a subscriber.
/// fn results() -> (impl IntoOutcome, impl IntoOutcome, impl IntoOutcome) {
///     ((), Verdict::nack(), Ok::<Verdict, String>(Verdict::Ack))
/// }
///
/// #[subscriber(topic = "orders")]
/// async fn bill(order: String) -> anyhow::Result<Verdict> {
///     let order: u64 = order.parse().or_reject()?;
///     Ok(if order == 0 { Verdict::Skip } else { Verdict::Ack })
/// }
/// # let _ = results();
/// ```
#[diagnostic::on_unimplemented(
    message = "a subscriber can't return `{Self}`",
    label = "not a result of a subscriber",
    note = "return `()`, a `Verdict`, or a `Result` of one with an error that is `Send + Sync`",
    note = "to publish the value, add `#[publisher(topic = \"...\")]`"
)]
pub trait IntoOutcome {
    /// Converts the value to an `Outcome`.
    fn into_outcome(self) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Verdict(Verdict::Ack)
    }
}

#[diagnostic::do_not_recommend]
impl IntoOutcome for Verdict {
    fn into_outcome(self) -> Outcome {
        Outcome::Verdict(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoOutcome, E: Failure> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(value) => value.into_outcome(),
            Err(error) => error.into_outcome(),
        }
    }
}

/// An error that a handler can return.
///
/// ```
/// use std::fmt;
///
/// use faststream::subscriber;
///
/// /// An error of one's own needs `Debug`, `Display` and `Error`.
/// #[derive(Debug)]
/// struct NoPrice;
///
/// impl fmt::Display for NoPrice {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("the price list has no such item")
///     }
/// }
///
/// impl std::error::Error for NoPrice {}
///
/// #[subscriber(topic = "orders")]
/// async fn bill(order: u64) -> Result<(), NoPrice> {
///     if order == 0 { Err(NoPrice) } else { Ok(()) }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a subscriber can't fail with `{Self}`",
    label = "not an error type",
    note = "an error is any `std::error::Error + Send + Sync + 'static`, and `anyhow::Error`, `String`, `&'static str`; in a box: \
            `Box<dyn std::error::Error + Send + Sync>`",
    note = "for a type of your own: `#[derive(Debug, thiserror::Error)]`, or implement `Debug`, `Display` and `std::error::Error`"
)]
pub trait Failure {
    /// Converts the error to an `Outcome`: a decision, or a failed attempt.
    fn into_outcome(self) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> Failure for E {
    fn into_outcome(self) -> Outcome {
        let error = self.into();
        match Decision::find(&*error) {
            Some(verdict) => Outcome::Verdict(verdict.clone()),
            None => Outcome::Failed(HandlerError::of(type_name::<E>(), error)),
        }
    }
}
