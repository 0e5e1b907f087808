//! The member that the runtime gives a backend when it joins a group.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Command, Event};

/// One membership of a group: it decides, and the backend acts.
///
/// A backend calls it on one control thread, or from one task, and applies the commands that it returns, in order. It
/// never blocks, and it never waits for a handler. Dropping it before it [is finished](Self::is_finished) counts as a
/// crash of the member: its calls are aborted, and nothing is drained.
pub trait GroupMember: fmt::Debug + Send {
    /// Handles an event of the backend, and returns the commands that follow from it.
    fn on(&mut self, event: Event) -> Vec<Command>;

    /// Handles reports of lanes, requests of the app, and everything that is due by the clock. Call it when
    /// [`wake`](Self::wake) is notified and at [`deadline`](Self::deadline), or simply every 20 ms.
    fn turn(&mut self) -> Vec<Command>;

    /// Sets the backend's current problems, one sentence each. They degrade health until the next call.
    fn set_problems(&mut self, problems: Vec<String>);

    /// Returns the handle that is notified (`notify_one`) when [`turn`](Self::turn) has something to do before the
    /// deadline.
    fn wake(&self) -> Arc<Notify>;

    /// Returns when [`turn`](Self::turn) has something to do because of the clock alone.
    fn deadline(&self) -> Instant;

    /// Returns the token that is cancelled when the app crashes this member on purpose. The backend then drops the
    /// member at once.
    fn crash_token(&self) -> CancellationToken;

    /// Returns the rest of the drain time at a shutdown, which leaving the group may use, too.
    fn spare_drain(&self) -> Duration;

    /// Returns whether the backend has nothing more to do: after [`Event::Closed`], or when closing took too long. The
    /// backend then ends its thread, and leaks the client rather than wait for it.
    fn is_finished(&self) -> bool;
}
