//! A call of a handler that did not end at once: it is polled until it does, or is cut off by its timeout.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::in_flight::CallFailure;
use crate::app::CallBegin;
use crate::broker::{PublishError, PublishErrorKind};
use crate::delivery::{Call, Delivery, HandlerError, Outcome};
use crate::log::bounded;
use crate::runtime::panics::{Panicked, catch, drop_safely};
#[cfg(feature = "planted-bugs")]
use crate::runtime::planted::{self, Planted};
use crate::verdict::Verdict;

pub(super) struct RunningCall {
    pub(super) offset: i64,
    pub(super) call: Call,
    pub(super) timeout: Option<Timeout>,
}

/// When a call has failed by its handler's `timeout`, which counts from the call's begin.
pub(super) struct Timeout(Pin<Box<Sleep>>);

/// Everything in it is boxed or plain: no pin projection, hence no unsafe.
impl Future for RunningCall {
    type Output = (i64, Outcome);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { offset, call, timeout } = &mut *self;
        let outcome = match timeout {
            None => poll_call(call, cx),
            Some(timeout) => timeout.poll(call, cx),
        };
        let Poll::Ready(outcome) = outcome else { return Poll::Pending };
        drop_call(call);
        Poll::Ready((*offset, outcome))
    }
}

/// Extraction and the first poll in one: a handler that never waits costs no bookkeeping. The first poll uses the
/// lane's waker; in the set it is polled again and registers anew. Whoever calls it notes when the lane is done with the record.
pub(super) fn begin(delivery: &Delivery<'_>, cx: &mut Context<'_>) -> Result<Outcome, Call> {
    delivery.control.begins(Some(delivery.offset));
    if let Some(observer) = &delivery.context.observer {
        observer.begins(&CallBegin {
            handler: &delivery.subscriber.handler,
            lane: delivery.control.epoch,
            offset: delivery.offset,
            attempt: delivery.attempt,
        });
    }
    let begun = catch(|| {
        let mut call = (delivery.subscriber.def.call)(delivery);
        match Pin::new(&mut call).poll(cx) {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => Err(call),
        }
    });
    begun.unwrap_or_else(|panic| Ok(panic.into_outcome()))
}

impl Timeout {
    /// Until `timeout` has passed since the call's begin. A plain function tells by itself what it took: it cannot be
    /// cancelled.
    pub(super) fn of(call: &Call, began: Instant, timeout: Duration) -> Option<Self> {
        let is_plain = call.as_plain().is_some();
        #[cfg(feature = "planted-bugs")]
        let is_plain = is_plain && !planted::is_planted(Planted::CancelPlain);
        // Beyond the clock's range, it never passes.
        let until = began.checked_add(timeout).filter(|_| !is_plain)?;
        Some(Self(Box::pin(sleep_until(until))))
    }

    /// Polls the call. It failed if the time is over when it next returns, or if it blocks until then; what had ended in
    /// time and is only polled late did not.
    fn poll(&mut self, call: &mut Call, cx: &mut Context<'_>) -> Poll<Outcome> {
        let was_in_time = Instant::now() < self.0.deadline();
        let outcome = poll_call(call, cx);
        if outcome.is_ready() && was_in_time && Instant::now() > self.0.deadline() {
            return Poll::Ready(timed_out());
        }
        if outcome.is_pending() && self.0.as_mut().poll(cx).is_ready() {
            return Poll::Ready(timed_out());
        }
        outcome
    }
}

fn poll_call(call: &mut Call, cx: &mut Context<'_>) -> Poll<Outcome> {
    catch(|| Pin::new(call).poll(cx)).unwrap_or_else(|panic| Poll::Ready(Panicked::into_outcome(panic)))
}

/// What a call held is dropped here: a panic in that must not end the lane, at each attempt anew.
pub(super) fn drop_call(call: &mut Call) {
    drop_safely(std::mem::replace(call, Call::known(Outcome::Verdict(Verdict::Ack))));
}

pub(super) fn timed_out() -> Outcome {
    Outcome::Failed(HandlerError::new(
        "timeout",
        "the call took longer than the handler's `timeout`, and was cancelled",
    ))
}

impl CallFailure {
    pub(super) fn of(error: &HandlerError) -> Self {
        Self { kind: error.kind, message: error.message.clone() }
    }

    pub(super) fn publish(error: &PublishError) -> Self {
        let kind = match error.kind {
            PublishErrorKind::QueueFull => "publish queue full",
            PublishErrorKind::Retriable => "publish refused",
            PublishErrorKind::Denied => "publish denied",
            PublishErrorKind::Permanent => "publish impossible",
        };
        Self { kind, message: bounded(error.to_string()) }
    }
}
