//! Wakes the control thread: for an event of its client, a request of its member, or the clock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::client::ConsumerClient;
use crate::native::ConsumerQueue;

/// How long requests of the member are collected, to be handled together.
const TOGETHER: Duration = Duration::from_millis(2);

/// Wakes the thread that created it.
pub(super) struct Alarm {
    /// The client's event queue; `None` if the client has none, and is then checked by the clock.
    queue: Option<ConsumerQueue>,
    member: Arc<Notify>,
    asked: Pin<Box<OwnedNotified>>,
    waker: Waker,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Alarm {
    pub(super) fn new(client: &Arc<ConsumerClient>, member: Arc<Notify>) -> Self {
        let asked = Box::pin(Arc::clone(&member).notified_owned());
        let waker: Waker = Arc::new(Unpark(thread::current())).into();
        client.context().set_control(waker.clone());
        Self { queue: ConsumerQueue::of(client.handle()), member, asked, waker }
    }

    /// Returns once there is something to do, and after this time at the latest.
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

    /// Returns whether the client has more events. Call it after one was taken.
    pub(super) fn has_events(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    fn is_asked(&mut self) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        let is_asked = self.asked.as_mut().poll(&mut cx).is_ready();
        if is_asked {
            self.asked.set(Arc::clone(&self.member).notified_owned());
        }
        is_asked
    }
}
