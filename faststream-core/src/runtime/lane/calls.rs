//! A call of a handler that did not end at once: it is polled until it ends, or is cancelled by its timeout.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::context::{CallBegin, Panicked, PlainCall, catch, drop_safely};
use crate::delivery::{Call, Delivery};
use crate::result::Verdict;
use crate::result::{HandlerError, Outcome};
use crate::subscriber::HandlerFn;

/// The calls of a lane that did not end at once.
#[derive(Default)]
pub(super) struct Calls {
    running: FuturesUnordered<RunningCall>,
    /// When the last call of this turn returned. Read only for handlers with a `timeout`.
    returned: Option<Instant>,
    /// The lane stops, and calls that had not begun were released.
    gave_back: bool,
}

impl Calls {
    pub(super) fn turn_begins(&mut self) {
        self.returned = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn push(&mut self, call: RunningCall) {
        self.running.push(call);
    }

    /// Returns the next call that ended.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(i64, Outcome)>> {
        self.running.poll_next_unpin(cx)
    }

    /// Returns the calls of plain functions, by offset.
    pub(super) fn plain(&self) -> impl Iterator<Item = (i64, &PlainCall)> {
        self.running.iter().filter_map(|running| Some((running.offset, running.call.as_plain()?)))
    }

    /// Releases the calls of plain functions that wait for a thread, once. Returns true if the others are to be polled
    /// again.
    pub(super) fn give_back(&mut self, mut forget: impl FnMut(i64)) -> bool {
        if std::mem::replace(&mut self.gave_back, true) || self.plain().next().is_none() {
            return false;
        }
        for mut running in std::mem::take(&mut self.running) {
            if running.call.as_plain().is_some_and(PlainCall::abandon) {
                forget(running.offset);
                drop_call(&mut running.call);
            } else {
                self.running.push(running);
            }
        }
        true
    }

    /// Returns the moment of a call's beginning, for its `timeout`: the last call's end, if that was in this turn.
    /// Without a `timeout`, no clock is read.
    pub(super) fn begins_now(&self, timeout: Option<Duration>) -> Option<Instant> {
        timeout.map(|_| self.returned.unwrap_or_else(Instant::now))
    }

    /// Checks a call that blocked its thread beyond its `timeout`: it failed when it returned, even if it only returned
    /// to wait.
    pub(super) fn returned_in_time(
        &mut self,
        timeout: Option<Duration>,
        began: Option<Instant>,
        ended: Result<Outcome, Call>,
    ) -> Result<Outcome, Call> {
        self.returned = began.map(|_| Instant::now());
        let took = self.returned.zip(began).map(|(returned, began)| returned - began);
        match ended {
            Err(call) if call.as_plain().is_some() => Err(call),
            ended if took <= timeout => ended,
            Ok(_) => Ok(timed_out()),
            Err(mut call) => {
                drop_call(&mut call);
                Ok(timed_out())
            }
        }
    }
}

/// A call that is polled until it ends.
pub(super) struct RunningCall {
    pub(super) offset: i64,
    pub(super) call: Call,
    pub(super) timeout: Option<Timeout>,
}

/// When a call fails by its handler's `timeout`, which counts from the call's beginning.
pub(super) struct Timeout(Pin<Box<Sleep>>);

/// All fields are boxed or plain: no pin projection, hence no unsafe.
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

/// Extracts the arguments and polls once: a handler that never waits costs no bookkeeping. The first poll uses the
/// lane's waker; in the set the call is polled again and registers anew. The caller records when the lane has finished
/// the record.
pub(super) fn begin(
    handler: HandlerFn,
    delivery: &Delivery<'_>,
    cx: &mut Context<'_>,
) -> Result<Outcome, Call> {
    delivery.control.work.begins(Some(delivery.offset));
    delivery.context.observers.notify(|observer| {
        observer.begins(&CallBegin {
            handler: &delivery.handler.name,
            lane: delivery.control.epoch,
            offset: delivery.offset,
            attempt: delivery.attempt,
        });
    });
    let begun = catch(|| {
        let mut call = handler(delivery);
        match Pin::new(&mut call).poll(cx) {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => Err(call),
        }
    });
    begun.unwrap_or_else(|panic| Ok(panic.into_outcome()))
}

impl Timeout {
    /// Returns the timeout of a call that began at `began`; none for a plain function, which reports by itself how long
    /// it took, because it cannot be cancelled.
    pub(super) fn of(call: &Call, began: Instant, timeout: Duration) -> Option<Self> {
        let is_plain = call.as_plain().is_some();
        // Beyond the clock's range, the timeout never expires.
        let until = began.checked_add(timeout).filter(|_| !is_plain)?;
        Some(Self(Box::pin(sleep_until(until))))
    }

    /// Polls the call. It failed if the time is over when it next returns, or if it blocks until then. A call that had
    /// ended in time and is only polled late did not fail.
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

/// Drops the call's contents here. A panic in that drop must not end the lane, at each attempt anew.
pub(super) fn drop_call(call: &mut Call) {
    drop_safely(std::mem::replace(call, Call::known(Outcome::Verdict(Verdict::Ack))));
}

pub(super) fn timed_out() -> Outcome {
    Outcome::Failed(HandlerError::new(
        "timeout",
        "the call took longer than the handler's `timeout`, and was cancelled",
    ))
}
