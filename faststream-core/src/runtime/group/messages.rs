//! The inputs of the group's state machine, and the actions that it returns.

use std::time::Duration;

use crate::broker::{Epoch, RevocationId};

/// What happened. Every input also makes the machine check the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) enum Input {
    /// Lanes that the group assigned, and how long a drain waits for each (the subscriber's `drain`).
    Assigned(Vec<(Epoch, Duration)>),
    /// Lanes that end, and have to be answered for.
    Revoked {
        /// The number for the answer.
        id: RevocationId,
        /// The lanes. Some may have ended already.
        lanes: Vec<Epoch>,
        /// Whether another member may own the partitions already. Then they drain for 0.2 s, and no hook is waited
        /// for.
        lost: bool,
    },
    /// The lane's task has ended.
    LaneEnded {
        /// The lane. It is ignored if it was fenced before.
        lane: Epoch,
        /// Whether the member had not requested it.
        died: bool,
    },
    /// `on_revoked` has ended; `None` for the one at a shutdown.
    HookEnded(Option<RevocationId>),
    /// Open the lane's partition again at another offset.
    Seek {
        /// The lane. It is refused if its partition is being given back, or was.
        lane: Epoch,
        /// The offset.
        next: i64,
    },
    /// The app shuts down. Only the first one counts.
    Shutdown,
    /// The client cannot be used any more: everything ends at once, and nothing is answered.
    Fatal,
    /// The backend has left the group, or has given up.
    Closed,
    /// The clock passed `next_deadline`.
    Tick,
}

/// What the member has to do, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum Action {
    /// Start the task of an assigned lane.
    Start(Epoch),
    /// Drop the lane unread: it was assigned too late.
    Discard(Epoch),
    /// Begin no further record, and finish running calls.
    Drain(Epoch),
    /// Fence the lane: from now on, nothing it does counts.
    Fence {
        lane: Epoch,
        /// Whether its drain time was exceeded, so that calls are cancelled.
        late: bool,
    },
    /// Run `on_revoked`, because the calls have ended. `None` at a shutdown.
    Hook(Option<RevocationId>),
    /// Let the backend release the lanes of this revocation.
    Answer(RevocationId),
    /// Let the backend open the partition of this lane again: its task died, and the pause is over.
    Reopen(Epoch),
    /// Let the backend open the partition of this lane, which has ended, at another offset.
    Seek {
        lane: Epoch,
        /// The offset.
        next: i64,
    },
    /// The seek of this lane does not happen: its partition is being given back, or already was.
    RefuseSeek(Epoch),
    /// Let the backend leave the group.
    Close,
    /// The membership has ended. The last action.
    Finished {
        /// Whether the backend reported that it has left the group.
        closed: bool,
    },
}
