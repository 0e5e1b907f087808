//! Decisions by `?`: an error that carries a verdict, anywhere in the chain of causes.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::Verdict;

/// Any error, boxed.
type BoxError = Box<dyn Error + Send + Sync>;

/// An error that decides what happens to the record. [`Decide`] creates it. The runtime finds it anywhere in the chain
/// of causes, however often it is wrapped.
///
/// ```
/// use faststream::{Decide, Decision, Verdict};
///
/// let read: Result<u64, Decision> = "seven".parse::<u64>().or_skip();
/// let decision = read.expect_err("no number");
/// assert_eq!(*decision.verdict(), Verdict::Skip);
/// ```
#[derive(Debug)]
pub struct Decision {
    // Some error types hide the outermost error behind a type of their own, but never its cause, so the verdict is one
    // level down.
    marker: Marker,
}

#[derive(Debug)]
struct Marker {
    verdict: Verdict,
    error: BoxError,
}

/// Turns an error into a decision about the record, to be returned by `?`.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::{Decide, FastStream, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders", dead_letter = "orders-dlt")]
/// async fn bill(order: String) -> anyhow::Result<()> {
///     // A wrong number does not become right: no retry, at once a dead letter.
///     let quantity: u64 = order.parse().or_reject()?;
///     // A price list that is being loaded is worth another attempt in a second.
///     let price = prices(quantity).or_retry_after(Duration::from_secs(1))?;
///     anyhow::ensure!(price > 0, "a price is never zero");
///     Ok(())
/// }
///
/// fn prices(quantity: u64) -> Result<u64, String> {
///     Ok(quantity * 3)
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", &"seven").await;
/// assert_eq!(app.dead_letters("orders")[0].attempts, 1);
/// # });
/// ```
pub trait Decide<T>: Sized {
    /// Rejects the record, without further attempts: to the dead-letter topic if one is named, else by `on_error`.
    fn or_reject(self) -> Result<T, Decision>;

    /// Retries the record after `pause`, instead of the policy's pause. Counts as an attempt.
    fn or_retry_after(self, pause: Duration) -> Result<T, Decision>;

    /// Finishes the record without handling it.
    fn or_skip(self) -> Result<T, Decision>;

    /// Drains the app and exits with 3. The record is not finished.
    fn or_stop(self) -> Result<T, Decision>;
}

impl<T, E: Into<BoxError>> Decide<T> for Result<T, E> {
    fn or_reject(self) -> Result<T, Decision> {
        self.map_err(|error| {
            let error = error.into();
            let reason = super::chain(&*error);
            Decision { marker: Marker { verdict: Verdict::reject(reason), error } }
        })
    }

    fn or_retry_after(self, pause: Duration) -> Result<T, Decision> {
        self.map_err(|error| Decision::new(Verdict::Nack { after: Some(pause) }, error))
    }

    fn or_skip(self) -> Result<T, Decision> {
        self.map_err(|error| Decision::new(Verdict::Skip, error))
    }

    fn or_stop(self) -> Result<T, Decision> {
        self.map_err(|error| Decision::new(Verdict::Stop, error))
    }
}

impl Decision {
    fn new(verdict: Verdict, error: impl Into<BoxError>) -> Self {
        Self { marker: Marker { verdict, error: error.into() } }
    }

    /// Returns the verdict on the record.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.marker.verdict
    }

    /// Returns the first verdict in a chain of causes.
    pub(crate) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Verdict> {
        let whole = error.downcast_ref::<Self>().map(Self::verdict);
        let found = whole.or_else(|| error.downcast_ref::<Marker>().map(|marker| &marker.verdict));
        found.or_else(|| Self::find(error.source()?))
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.marker.error.fmt(f)
    }
}

impl Error for Decision {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.marker)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Marker {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Decision);

    #[test]
    fn a_verdict_is_found_however_deep() {
        let decision = Err::<(), _>("bad").or_reject().expect_err("an error");
        assert_eq!(decision.to_string(), "bad");
        let outer: BoxError = Box::new(Outer(decision));
        assert_eq!(Decision::find(&*outer), Some(&Verdict::reject("bad")));
        let other: BoxError = "other".into();
        assert_eq!(Decision::find(&*other), None);
    }
}
