//! One membership of a group, driven synchronously by its backend.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::app::Context;
use crate::broker::{Command, Event};
use crate::policy::GroupSettings;
use crate::subscriber::Subscriber;

/// One membership of a group: the state machine, and the lanes' tasks that it starts and ends.
///
/// Plain and synchronous: a backend calls it on its control thread. Dropping it before it is finished is a crash: the
/// lanes' tasks are aborted, nothing is drained.
#[derive(Debug)]
pub struct Member {
    notify: Arc<Notify>,
}

impl Member {
    /// A member whose lanes run on the current tokio runtime, and the app's handle to it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(
        _group: Arc<str>,
        _subscribers: Vec<Arc<Subscriber>>,
        _context: Arc<Context>,
        _settings: GroupSettings,
    ) -> (Self, MemberHandle) {
        todo!()
    }

    /// Something happened; what to do about it, in order.
    pub fn on(&mut self, _event: Event) -> Vec<Command> {
        todo!()
    }

    /// News of lanes, requests of the app, the clock. To be called when [`wake`](Self::wake) is notified, at
    /// [`deadline`](Self::deadline), or simply every 20 ms.
    pub fn turn(&mut self) -> Vec<Command> {
        todo!()
    }

    /// Notified (`notify_one`) when `turn` has something to do before the deadline.
    #[must_use]
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.notify)
    }

    /// When `turn` has something to do by the clock alone.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// Nothing more will be asked of the backend. After `Event::Closed`, or when closing took too long: the backend
    /// ends its thread then, and leaks the client rather than wait for it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        todo!()
    }
}

/// The app's handle to a member.
#[derive(Debug)]
pub struct MemberHandle {}
