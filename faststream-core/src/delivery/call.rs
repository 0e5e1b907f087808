//! A call of a handler, before or after it began.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::context::PlainCall;
use crate::result::Outcome;

/// A call of a handler: a future that owns its arguments and may outlive the batch.
pub struct Call {
    inner: Inner,
    /// The plain function that it runs, if any.
    plain: Option<PlainCall>,
}

enum Inner {
    /// The call ended before it began.
    Known(Ready<Outcome>),
    Running(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

impl Call {
    /// Returns a call that runs `future`.
    pub fn new(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self { inner: Inner::Running(Box::pin(future)), plain: None }
    }

    /// Returns a call that runs a plain function on another thread, with `future`.
    pub fn plain(plain: PlainCall, future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self { inner: Inner::Running(Box::pin(future)), plain: Some(plain) }
    }

    /// Returns a call that ended before it began.
    #[must_use]
    pub fn known(outcome: Outcome) -> Self {
        Self { inner: Inner::Known(ready(outcome)), plain: None }
    }

    /// Returns the plain function that it runs.
    pub(crate) fn as_plain(&self) -> Option<&PlainCall> {
        self.plain.as_ref()
    }
}

impl Future for Call {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.get_mut().inner {
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
