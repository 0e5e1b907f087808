//! Calls of plain `fn` handlers: they run on a thread that may block, and nothing can cancel them.
//!
//! A call has four states. It is *queued* for a thread; it has *begun* there; it has *ended*; or it was *abandoned*
//! before it began. No thread can be stopped, so three rules follow:
//!
//! 1. A queued call whose lane stops, or whose future is dropped, never begins: the thread or the lane decides,
//!    whichever first takes the call's lock. The thread checks the lane as its first act, so no call begins after the
//!    lane's fence, even if the lane's task has no thread to be dropped on.
//! 2. The lane waits for a call that has begun: the thread reports its end, never a timer. Once it has ended, its
//!    duration since its beginning is compared with `timeout`.
//! 3. A cancelled lane leaves its running calls behind. A call that has begun is remembered by its record until it
//!    ends: the next assignment in this process waits for it before it begins the same record, even while the task of
//!    the earlier one has not noticed yet that it has ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::{CallBegin, Context, HandlerInfo, LaneControl, catch, drop_safely};
use crate::result::{HandlerError, Outcome};

/// One call of a plain function. Clones share it.
#[derive(Clone)]
pub struct PlainCall(Arc<Inner>);

struct Inner {
    handler: Arc<HandlerInfo>,
    context: Arc<Context>,
    control: Arc<LaneControl>,
    offset: i64,
    attempt: u32,
    state: Mutex<PlainState>,
    /// Notified when the call ended, or was abandoned.
    over: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlainState {
    Queued,
    Begun {
        since: Instant,
        /// Its lane has ended. The call is remembered until it ends.
        left: bool,
    },
    Ended,
    Abandoned,
}

impl PlainCall {
    /// Returns a call of this handler for one attempt at the record at `offset`. It has not begun.
    pub(crate) fn new(
        handler: &Arc<HandlerInfo>,
        context: &Arc<Context>,
        control: &Arc<LaneControl>,
        offset: i64,
        attempt: u32,
    ) -> Self {
        Self(Arc::new(Inner {
            handler: Arc::clone(handler),
            context: Arc::clone(context),
            control: Arc::clone(control),
            offset,
            attempt,
            state: Mutex::new(PlainState::Queued),
            over: Notify::new(),
        }))
    }

    /// Runs the function on a thread that may block. The error is the outcome of a call that took longer than its
    /// handler's `timeout`.
    pub(crate) async fn run<R: Send + 'static>(
        self,
        function: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Outcome> {
        self.earlier_ended().await;
        let function = Arc::new(Mutex::new(Some(function)));
        // Dropped with this future: a function that has not begun is dropped with it, a running one is remembered.
        let _watch = Watch { call: &self, function: &function };
        let (notify, told) = oneshot::channel();
        let (call, given) = (self.clone(), Arc::clone(&function));
        self.0.context.plain.threads().run(move || {
            if !call.begin() {
                return;
            }
            let Some(function) = lock(&given).take() else { return };
            let returned = catch(function);
            let took = call.end();
            // If nothing waits for it any more, the returned value is dropped here.
            drop_safely(notify.send((returned, took)));
        });
        let Ok((returned, took)) = told.await else {
            // Abandoned, or the runtime is shutting down: it never begins, and nothing waits for it.
            return std::future::pending().await;
        };
        match returned {
            Err(panic) => Err(panic.into_outcome()),
            Ok(_) if self.0.handler.timeout.is_some_and(|timeout| took > timeout) => Err(self.too_long(took)),
            Ok(returned) => Ok(returned),
        }
    }

    /// Abandons a call that has not begun, so that it never begins. Returns false if it has begun.
    pub(crate) fn abandon(&self) -> bool {
        let mut state = self.state();
        if *state == PlainState::Queued {
            *state = PlainState::Abandoned;
        }
        *state == PlainState::Abandoned
    }

    /// Returns since when it runs; `None` while it is queued.
    pub(crate) fn begun(&self) -> Option<Instant> {
        if let PlainState::Begun { since, .. } = *self.state() { Some(since) } else { None }
    }

    /// Begins the call: the thread's first act. Returns false if the call was abandoned.
    fn begin(&self) -> bool {
        let Inner { context, control, offset, .. } = &*self.0;
        let mut state = self.state();
        if *state != PlainState::Queued {
            return false;
        }
        // Counted and remembered before the lane is checked: whoever fences it sees this call, or this call sees the
        // fence.
        control.work.plain_begins(*offset);
        context.plain.remember(self.clone());
        if control.is_stopping() {
            context.plain.forget(self);
            control.work.plain_ended(*offset);
            *state = PlainState::Abandoned;
            return false;
        }
        *state = PlainState::Begun { since: Instant::now(), left: false };
        drop(state);
        context.observers.notify(|observer| observer.plain_begins(&self.report()));
        true
    }

    /// Ends the call: the thread's last act before it reports the returned value. Returns how long the call took.
    fn end(&self) -> Duration {
        let Inner { context, control, offset, over, .. } = &*self.0;
        context.observers.notify(|observer| observer.plain_ended(&self.report()));
        let before = std::mem::replace(&mut *self.state(), PlainState::Ended);
        control.work.plain_ended(*offset);
        context.plain.forget(self);
        over.notify_waiters();
        let PlainState::Begun { since, .. } = before else { return Duration::ZERO };
        since.elapsed()
    }

    /// Returns what observers are notified of.
    fn report(&self) -> CallBegin<'_> {
        let Inner { handler, control, offset, attempt, .. } = &*self.0;
        CallBegin { handler: &handler.name, lane: control.epoch, offset: *offset, attempt: *attempt }
    }

    /// Returns whether both are the same call.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns whether it runs, and its lane no longer waits for it.
    pub(super) fn is_left(&self) -> bool {
        matches!(*self.state(), PlainState::Begun { left: true, .. })
    }

    /// Records that its lane no longer waits for it.
    fn leave(&self) {
        if let PlainState::Begun { left, .. } = &mut *self.state() {
            *left = true;
        }
    }

    /// Waits until no earlier assignment's call of this record runs any more.
    async fn earlier_ended(&self) {
        while let Some(earlier) = self.0.context.plain.earlier(self) {
            let over = earlier.0.over.notified();
            tokio::pin!(over);
            // Registered before the check, or an end in between would be missed.
            over.as_mut().enable();
            if earlier.begun().is_some() {
                over.await;
            }
        }
    }

    pub(super) fn is_earlier_for_record_of(&self, other: &Self) -> bool {
        let (one, other) = (&*self.0, &*other.0);
        one.offset == other.offset
            && one.control.epoch != other.control.epoch
            && one.handler.name == other.handler.name
            && one.handler.group == other.handler.group
            && one.control.is_of_partition_of(&other.control)
    }

    fn too_long(&self, took: Duration) -> Outcome {
        let timeout = self.0.handler.timeout.unwrap_or_default();
        let message = format!(
            "the call took {took:.1?}, longer than the handler's `timeout` of {timeout:?}; a plain `fn` cannot be \
             cancelled, so it was waited for"
        );
        Outcome::Failed(HandlerError::new("timeout", message))
    }

    fn state(&self) -> MutexGuard<'_, PlainState> {
        lock(&self.0.state)
    }
}

/// Ends with the lane's call.
struct Watch<'a, F> {
    call: &'a PlainCall,
    function: &'a Mutex<Option<F>>,
}

impl<F> Drop for Watch<'_, F> {
    fn drop(&mut self) {
        if self.call.abandon() {
            // It never begins, so its captures are dropped now, not when a thread has time for it.
            let function = lock(self.function).take();
            drop(function);
        } else {
            self.call.leave();
        }
    }
}

impl std::fmt::Debug for PlainCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainCall").field("offset", &self.0.offset).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
