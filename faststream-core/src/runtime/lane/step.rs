//! Something a record waits for that is polled: its handler, or its copies' confirmation.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Sleep;

use super::slots::Failure;
use crate::app::CallBegin;
use crate::broker::{PublishError, PublishErrorKind, Receipt};
use crate::delivery::{Call, Delivery, HandlerError, Outcome};
use crate::verdict::Verdict;

pub(super) struct Step {
    pub(super) offset: i64,
    pub(super) wait: Wait,
}

pub(super) enum Wait {
    Call { call: Call, timeout: Option<Pin<Box<Sleep>>> },
    Confirm(Vec<Waiting>),
}

/// One copy's receipt, and what came of it.
pub(super) enum Waiting {
    Open(Receipt),
    Known(Result<(), PublishError>),
}

pub(super) enum Ended {
    Called(Outcome),
    /// Copy by copy, in order.
    Confirmed(Vec<Result<(), PublishError>>),
}

/// Everything in it is boxed or plain: no pin projection, hence no unsafe.
impl Future for Step {
    type Output = (i64, Ended);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = match &mut self.wait {
            Wait::Call { call, timeout } => {
                let outcome = poll_call(call, cx);
                let mut late =
                    || timeout.as_mut().is_some_and(|timeout| timeout.as_mut().poll(cx).is_ready());
                let outcome = match outcome {
                    Poll::Ready(outcome) => outcome,
                    Poll::Pending if late() => timed_out(),
                    Poll::Pending => return Poll::Pending,
                };
                drop_call(call);
                Ended::Called(outcome)
            }
            Wait::Confirm(copies) => {
                if !poll_receipts(copies, cx) {
                    return Poll::Pending;
                }
                Ended::Confirmed(take_known(copies))
            }
        };
        Poll::Ready((self.offset, ended))
    }
}

/// Extraction and the first poll in one: a handler that never waits costs no bookkeeping. The first poll uses the
/// lane's waker; in the set it is polled again and registers anew.
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
    let begun = catch_unwind(AssertUnwindSafe(|| {
        let mut call = (delivery.subscriber.def.call)(delivery);
        match Pin::new(&mut call).poll(cx) {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => Err(call),
        }
    }));
    delivery.control.begins(None);
    begun.unwrap_or_else(|panic| Ok(panicked(&*panic)))
}

fn poll_call(call: &mut Call, cx: &mut Context<'_>) -> Poll<Outcome> {
    catch_unwind(AssertUnwindSafe(|| Pin::new(call).poll(cx)))
        .unwrap_or_else(|panic| Poll::Ready(panicked(&*panic)))
}

/// What a cancelled call held is dropped here: a panic in that must not end the lane, at each attempt anew.
fn drop_call(call: &mut Call) {
    let ended = std::mem::replace(call, Call::known(Outcome::Verdict(Verdict::Ack)));
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(ended))) {
        // Said by the panic hook; its payload may not panic in turn.
        std::mem::forget(panic);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Outcome::Failed(HandlerError::new("panic", text.unwrap_or_else(|| "the handler panicked".into())))
}

fn timed_out() -> Outcome {
    Outcome::Failed(HandlerError::new(
        "timeout",
        "the call took longer than the handler's `timeout` and was cancelled",
    ))
}

/// Polls every copy; true once all are known.
pub(super) fn poll_receipts(copies: &mut [Waiting], cx: &mut Context<'_>) -> bool {
    let mut all = true;
    for copy in copies {
        if let Waiting::Open(receipt) = copy {
            match Pin::new(receipt).poll(cx) {
                Poll::Ready(result) => *copy = Waiting::Known(result.map(drop)),
                Poll::Pending => all = false,
            }
        }
    }
    all
}

pub(super) fn take_known(copies: &mut Vec<Waiting>) -> Vec<Result<(), PublishError>> {
    let known = copies.drain(..).map(|copy| match copy {
        Waiting::Known(result) => result,
        Waiting::Open(_) => unreachable!("taken only once all are known"),
    });
    known.collect()
}

impl Failure {
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
        Self { kind, message: error.to_string() }
    }
}
