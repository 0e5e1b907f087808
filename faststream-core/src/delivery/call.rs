//! A call of a handler, begun or not.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Outcome;

/// A call of a handler: a future that owns its arguments and may outlive the batch.
pub struct Call(Inner);

enum Inner {
    /// Ended before it began.
    Known(Ready<Outcome>),
    Running(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

impl Call {
    /// A call that runs `future`.
    pub fn new(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self(Inner::Running(Box::pin(future)))
    }

    /// A call that ended before it began.
    #[must_use]
    pub fn known(outcome: Outcome) -> Self {
        Self(Inner::Known(ready(outcome)))
    }
}

impl Future for Call {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.get_mut().0 {
            Inner::Known(known) => Pin::new(known).poll(cx),
            Inner::Running(future) => future.as_mut().poll(cx),
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Call")
    }
}
