//! The status of a member, for the app: how it ended, which records it holds, whether its commits succeed.
//!
//! `Shared` is the meeting point of four parties: the lanes' tasks, the hooks, the member on its control thread,
//! and the app with its `MemberHandle`. Notices go to the member, the status goes to the app. Whoever learns a
//! fact writes it; readers take a copy. Its locks are held for a moment, and never for each record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::requests::{Refused, Reply, Request};
use crate::TopicPartition;
use crate::broker::{Epoch, Remedy};

/// How long health shows that records were deleted before they were handled.
const EXPIRED: Duration = Duration::from_secs(600);

/// How a membership ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Drained, committed and left.
    Clean,
    /// Left, but some calls were cancelled: their records are handled again. One sentence each.
    DrainExceeded {
        /// The unfinished work.
        left: Vec<String>,
    },
    /// A fatal client error.
    Fatal {
        /// The client's message.
        message: String,
        /// The possible remedy.
        remedy: Remedy,
    },
    /// The member was dropped without an end.
    Crashed,
}

/// The current status of a membership.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Whether it had its first assignment (an empty one counts).
    pub assigned: bool,
    /// How long it has had no assignment since it was lost; `None` if it has one, or never had one.
    pub lost_for: Option<Duration>,
    /// The backend's current problems: one sentence each.
    pub problems: Vec<String>,
    /// How many partitions it reads.
    pub lanes: usize,
    /// Calls that take long or block their thread; at most one for each partition.
    pub stuck: Vec<StuckCall>,
    /// How many partitions are stalled because of the records that they hold.
    pub standing: usize,
    /// Partitions whose task died more than once in a row.
    pub dying: Vec<DyingPartition>,
    /// The pauses that the app requested, and that were not resumed.
    pub paused: Vec<PausedHandler>,
    /// Held records, in no particular order.
    pub held: Vec<HeldRecord>,
    /// Copies that are unconfirmed for 10 s, or that the cluster denies; at most one for each partition.
    pub unconfirmed: Vec<UnconfirmedCopy>,
    /// The last commit's error, of one of the partitions where it failed; `None` if it failed nowhere.
    pub commit_error: Option<String>,
    /// How many commits failed since the membership began, counted by partition.
    pub commit_failures: u64,
    /// How long finished records have been uncommitted, in the worst partition.
    pub dirty_for: Duration,
    /// After it has left: partitions with finished records that were not committed, which are handled again.
    pub uncommitted: Vec<Uncommitted>,
    /// The records that the broker deleted before they were handled, if that was within the last ten minutes: a
    /// sentence.
    pub expired: Option<String>,
    /// How long its client has not been polled; `None` while there is none.
    pub silent_for: Option<Duration>,
}

/// A partition that was released with finished records that were not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uncommitted {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// How many offsets the committed offset is behind.
    pub offsets: u64,
}

/// A pause that the app requested.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PausedHandler {
    /// The handler; `None` if all handlers of the group are paused.
    pub handler: Option<Arc<str>>,
    /// The partition; `None` if all are paused, also those that are assigned later.
    pub topic_partition: Option<TopicPartition>,
    /// How many of the partitions that are assigned now it stops.
    pub partitions: usize,
}

/// A call that does not end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StuckCall {
    /// The handler.
    pub handler: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record's offset, if it is known.
    pub offset: Option<i64>,
    /// How long it has run, to within a few seconds.
    pub age: Duration,
    /// Whether it blocks a thread of the runtime, on which other partitions wait as well.
    pub blocking: bool,
}

/// A partition whose task dies again and again. It is opened again each time, after a pause that doubles.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DyingPartition {
    /// The handler.
    pub handler: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record that the task worked at when it last died, if any.
    pub offset: Option<i64>,
    /// How often it died in a row.
    pub deaths: u32,
}

/// A held record: later records wait.
///
/// ```
/// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64) -> Result<(), String> {
///     Err("no price".into())
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", &1).await;
/// let held = app.held();
/// assert_eq!((held[0].offset, &*held[0].topic, &*held[0].error), (0, "orders", "no price"));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldRecord {
    /// Its handler.
    pub handler: Arc<str>,
    /// The handler's group.
    pub group: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why it failed the last time.
    pub error: String,
}

/// A result, a copy for a retry topic or a dead letter without the broker's confirmation: its record is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnconfirmedCopy {
    /// The handler.
    pub handler: Arc<str>,
    /// The topic of the record.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The topic that the copy is for.
    pub to: Arc<str>,
    /// How long ago it was to be published first.
    pub age: Duration,
    /// Why it was refused; `None` if there is no answer yet.
    pub error: Option<String>,
}

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
    turned: Mutex<Instant>,
    /// How the membership ended; `None` while it lasts.
    ended: watch::Sender<Option<Ended>>,
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

/// The app's handle to a member.
#[derive(Debug, Clone)]
pub struct MemberHandle {
    shared: Arc<Shared>,
}

impl MemberHandle {
    /// Returns a handle of the member with this state.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Requests to drain, then to leave the group. Returns at once; [`ended`](Self::ended) waits for the end.
    pub fn shutdown(&self) {
        self.shared.notify(Notice::Shutdown);
    }

    /// Requests something of the member, and waits until its backend has the commands that follow from it.
    ///
    /// # Errors
    /// If it had no effect.
    pub(crate) async fn request(&self, request: Request) -> Result<(), Refused> {
        let (reply, result) = oneshot::channel();
        self.shared.notify(Notice::Request(request, reply));
        tokio::select! {
            biased;
            result = result => result.unwrap_or(Err(Refused::Ended)),
            _ = self.ended() => Err(Refused::Ended),
        }
    }

    /// Ends the membership as a crash would: nothing is drained, and nothing more is committed.
    pub fn crash(&self) {
        self.shared.crash.cancel();
        self.shared.wake.notify_one();
    }

    /// Waits for the end of the membership. Returns at once if it has ended.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        let known = ended.wait_for(Option::is_some).await;
        known.ok().and_then(|known| known.clone()).unwrap_or(Ended::Crashed)
    }

    /// Returns the current status.
    #[must_use]
    pub fn status(&self) -> MemberStatus {
        let turned = *self.shared.turned.lock().unwrap_or_else(PoisonError::into_inner);
        let silent_for = self.shared.ended.borrow().is_none().then(|| turned.elapsed());
        let status = self.shared.status();
        let held = status.held.values().cloned().collect();
        let lost_for = status.lost_since.map(|since| since.elapsed());
        let late = status.unconfirmed.values();
        let unconfirmed = late.map(|(since, copy)| UnconfirmedCopy { age: since.elapsed(), ..copy.clone() });
        let recent = status.expired.as_ref().filter(|(found, _)| found.elapsed() < EXPIRED);
        MemberStatus {
            held,
            silent_for,
            lost_for,
            expired: recent.map(|(_, message)| message.clone()),
            unconfirmed: unconfirmed.collect(),
            standing: status.standing.len(),
            ..status.known.clone()
        }
    }
}
