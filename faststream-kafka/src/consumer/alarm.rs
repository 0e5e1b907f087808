//! Wakes the control thread: for an event of its client, a request of its member, or the clock.
//!
//! The thread parks, instead of polling every few milliseconds, so an idle member takes about one turn a second.
//! All three sources unpark it through one waker: the callback of librdkafka's queue, the member's `Notify`, and
//! `GroupContext::wake_control` for the lanes.
//!
//! A wake-up between the check and the park is not lost: `unpark` before `park` makes the park return at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::client::ConsumerClient;
use crate::native::ConsumerQueue;

/// How long requests of the member are collected, to be handled together. Several lanes report at about the same
/// time, and one turn handles all of their reports.
const TOGETHER: Duration = Duration::from_millis(2);

/// Wakes the thread that created it. Not to be moved to another thread.
pub(super) struct Alarm {
    /// The client's event queue; `None` if the client has none, and is then checked by the clock. While it is
    /// held, its callback wakes this thread.
    queue: Option<ConsumerQueue>,
    /// What the member notifies when its turn has something to do.
    member: Arc<Notify>,
    /// The wait for the next notification. It is renewed after each one.
    asked: Pin<Box<OwnedNotified>>,
    /// Unparks this thread.
    waker: Waker,
}

/// A waker that unparks a thread. Waking never blocks, so librdkafka's threads may call it.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Alarm {
    /// Returns the alarm of the calling thread, and makes it the thread that lanes wake.
    pub(super) fn new(client: &Arc<ConsumerClient>, member: Arc<Notify>) -> Self {
        let asked = Box::pin(Arc::clone(&member).notified_owned());
        let waker: Waker = Arc::new(Unpark(thread::current())).into();
        client.context().set_control(waker.clone());
        Self { queue: ConsumerQueue::of(client.handle()), member, asked, waker }
    }

    /// Returns once there is something to do, and after this time at the latest. May return early without a
    /// reason.
    pub(super) fn wait(&mut self, most: Duration) {
        if let Some(queue) = &self.queue {
            queue.register(&self.waker);
            if !queue.is_empty() {
                return;
            }
        }
        if self.is_asked() {
            // Ended early by an event.
            thread::park_timeout(TOGETHER);
        } else {
            thread::park_timeout(most);
        }
    }

    /// Returns whether the client has more events. Call it after one was taken: the queue's callback reports only
    /// that it is no longer empty.
    pub(super) fn has_events(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    /// Returns whether the member has requested a turn since the last call, and waits for the next request.
    fn is_asked(&mut self) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        let is_asked = self.asked.as_mut().poll(&mut cx).is_ready();
        if is_asked {
            self.asked.set(Arc::clone(&self.member).notified_owned());
        }
        is_asked
    }
}
