//! The status of a member, for the app: how it ended, which records it holds, whether its commits succeed.
//!
//! `Shared` is the meeting point of four parties: the lanes' tasks, the hooks, the member on its control thread,
//! and the app with its `MemberHandle`. Notices go to the member, the status goes to the app. Whoever learns a
//! fact writes it; readers take a copy. Its locks are held for a moment, and never for each record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::member_status::{Ended, HeldRecord, MemberStatus, UnconfirmedCopy};
use super::requests::{Reply, Request};
use crate::broker::Epoch;

/// From this age on, a copy without confirmation is late, and the status shows it.
pub(super) const LATE: Duration = Duration::from_secs(10);

/// The state that lanes, member and handle share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Wakes the backend's control thread, so that it calls the member's `turn`.
    pub(super) wake: Arc<Notify>,
    /// Cancelled when the app crashes the member on purpose.
    pub(super) crash: CancellationToken,
    /// The notices that the member has not taken, in their order.
    notices: Mutex<Vec<Notice>>,
    /// The status. The lock is also taken by readers on other threads.
    status: Mutex<Status>,
    /// When the backend last called the member's `turn`.
    pub(super) turned: Mutex<Instant>,
    /// How the membership ended; `None` while it lasts.
    pub(super) ended: watch::Sender<Option<Ended>>,
}

/// Notices to the member from outside its backend. Rare: never per record.
#[derive(Debug)]
pub(super) enum Notice {
    /// The app shuts down: drain, then leave the group.
    Shutdown,
    /// A lane needs a commit now: a call waits for it, the lane is braked, it begins at the end of a topic, or it
    /// has stored an offset with `commit = Each`.
    WantsCommit,
    /// A lane's task has ended, and everything that it held is dropped.
    LaneEnded {
        lane: Epoch,
        /// Whether it did not reach its end: by a panic, or because it was aborted.
        died: bool,
        /// The record that the task worked at.
        at: Option<i64>,
    },
    /// The app requests something.
    Request(Request, Reply),
}

/// The facts behind `MemberStatus`.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// The parts that are kept as they are shown. The others, below, are filled in when the status is read.
    pub(super) known: MemberStatus,
    /// The held records, by lane and record offset.
    pub(super) held: BTreeMap<(Epoch, i64), HeldRecord>,
    /// Copies that are late or denied, and since when.
    pub(super) unconfirmed: BTreeMap<Epoch, (Instant, UnconfirmedCopy)>,
    /// The stalled lanes.
    pub(super) standing: BTreeSet<Epoch>,
    /// Since when its assignment is lost.
    pub(super) lost_since: Option<Instant>,
    /// The last records that were deleted before they were handled, and when that was detected.
    pub(super) expired: Option<(Instant, String)>,
}

impl Status {
    /// Sets whether a lane is stalled.
    pub(super) fn set_blocked(&mut self, lane: Epoch, standing: bool) {
        if standing {
            self.standing.insert(lane);
        } else {
            self.standing.remove(&lane);
        }
    }
}

impl Shared {
    /// Returns the state of a membership that begins.
    pub(super) fn new() -> Self {
        Self {
            wake: Arc::default(),
            crash: CancellationToken::new(),
            notices: Mutex::default(),
            status: Mutex::default(),
            turned: Mutex::new(Instant::now()),
            ended: watch::Sender::new(None),
        }
    }

    /// Leaves a notice for the member, and wakes its control thread. Never waits.
    pub(super) fn notify(&self, notices: Notice) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(notices);
        self.wake.notify_one();
    }

    /// Takes all notices, in their order.
    pub(super) fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records that the backend calls the member's `turn`. If that stops, health shows how long ago it was.
    pub(super) fn turned(&self) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Locks the status. Hold it only for plain reads and writes: the app's health waits for it.
    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the end. The first one counts.
    pub(super) fn end(&self, ended: Ended) {
        self.ended.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(ended);
            first
        });
    }
}
