//! A member that decides nothing by itself: a check reads its events, and gives it commands.
//!
//! The backend drives a `ScriptedMember` as it drives the runtime's member. The check holds a
//! `ScriptedMembership`. Both share a `Script`: events in, commands out. The check runs on its own task, the
//! member on the backend's thread or task, so the script is behind locks, none of which is held across an `await`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::under_test::PATIENCE;
use crate::broker::{
    Broker, Command, CommitReport, Epoch, Event, GroupMember, GroupRequest, Lane, RevocationId,
};
use crate::policy::Start;

/// A membership of a group, controlled by a check. Dropping it crashes the member, unless it was closed.
pub(super) struct ScriptedMembership {
    /// What it shares with the member.
    script: Arc<Script>,
}

/// The state that the member and its check share.
#[derive(Debug, Default)]
struct Script {
    /// The events that the member got.
    heard: Mutex<Heard>,
    /// Notified when the member has handled an event or taken commands.
    changed: Notify,
    /// The commands that the member returns at its next turn.
    commands: Mutex<Vec<Command>>,
    /// Wakes the backend for a turn of the member.
    wake: Arc<Notify>,
    /// Cancelled to crash the member.
    crash: CancellationToken,
}

/// The events so far, each until the check takes it.
#[derive(Default)]
struct Heard {
    /// The lanes that were assigned. Dropping one ends it.
    lanes: VecDeque<Box<dyn Lane>>,
    /// The revocations that the check has to answer, with their lanes.
    revoked: VecDeque<(RevocationId, Vec<Epoch>)>,
    /// All reports of commits, in their order. They are never taken.
    commits: Vec<CommitReport>,
    /// Whether a revocation is answered at once, without the check.
    answers_at_once: bool,
    /// Whether the membership has ended.
    closed: bool,
    /// The message of a fatal client error. It fails a check that waits.
    fatal: Option<String>,
}

/// The member that the backend drives.
#[derive(Debug)]
struct ScriptedMember(Arc<Script>);

impl ScriptedMembership {
    /// Joins a group that reads one topic from its beginning. Its commit timer, an hour, never comes due in a
    /// check, so it commits only on request.
    pub(super) fn join(broker: &dyn Broker, group: &str, topic: &str) -> Self {
        let script = Arc::new(Script::default());
        let request = GroupRequest {
            group: group.into(),
            topics: [(topic.to_owned(), Start::Earliest)].into(),
            patterns: Vec::new(),
            commit_interval: Duration::from_secs(3600),
            drain: Duration::from_secs(5),
        };
        broker.join(request, Box::new(ScriptedMember(Arc::clone(&script)))).expect("it joins");
        Self { script }
    }

    /// Answers every revocation from now on at once: the check is not about rebalances any more.
    pub(super) fn answer_at_once(&self) {
        self.script.heard().answers_at_once = true;
    }

    /// Passes commands to the backend, all in one turn, and wakes it.
    pub(super) fn command(&self, commands: impl IntoIterator<Item = Command>) {
        self.script.commands().extend(commands);
        self.script.wake.notify_one();
    }

    /// Waits until the backend has taken the commands. They are not applied yet.
    pub(super) async fn taken(&self) {
        let commands = || self.script.commands();
        self.heard("that its commands are taken", |_| commands().is_empty().then_some(())).await;
    }

    /// Returns the next assigned lane, once there is one. Lanes of one assignment come in the backend's order.
    pub(super) async fn lane(&self) -> Box<dyn Lane> {
        self.heard("a lane", |heard| heard.lanes.pop_front()).await
    }

    /// Returns the next revocation, with its lanes.
    pub(super) async fn revoked(&self) -> (RevocationId, Vec<Epoch>) {
        self.heard("a revocation", |heard| heard.revoked.pop_front()).await
    }

    /// Returns the reports of commits so far, once one of them is about this offset.
    pub(super) async fn commits_up_to(&self, next: i64) -> Vec<CommitReport> {
        let is_there = |heard: &mut Heard| {
            heard.commits.iter().any(|report| report.next == next).then(|| heard.commits.clone())
        };
        self.heard("a report of the commit", is_there).await
    }

    /// Returns the reports of commits so far, in the order in which the backend sent them.
    pub(super) fn commits(&self) -> Vec<CommitReport> {
        self.script.heard().commits.clone()
    }

    /// Leaves the group, and waits for `Event::Closed`.
    pub(super) async fn close(&self) {
        self.command([Command::Close]);
        self.heard("the end", |heard| heard.closed.then_some(())).await;
    }

    /// Waits until `look` finds something among the events. `what` names it in the panic.
    ///
    /// # Panics
    /// If it is not there in time, or the client failed.
    async fn heard<T>(&self, what: &str, mut look: impl FnMut(&mut Heard) -> Option<T>) -> T {
        let found = async {
            loop {
                let changed = self.script.changed.notified();
                if let Some(found) = self.script.look(&mut look) {
                    return found;
                }
                changed.await;
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
    }
}

/// Crashes a member that was not closed, so that a failed check leaves no member behind.
impl Drop for ScriptedMembership {
    fn drop(&mut self) {
        if !self.script.heard().closed {
            self.script.crash.cancel();
        }
        self.script.wake.notify_one();
    }
}

impl Script {
    /// Locks the events. A check holds this lock while it looks, the backend while it reports: neither waits for
    /// the other under it.
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches the events, and panics after a fatal client error if nothing is found.
    fn look<T>(&self, look: impl FnOnce(&mut Heard) -> Option<T>) -> Option<T> {
        let mut heard = self.heard();
        let found = look(&mut heard);
        let failed = heard.fatal.as_ref().filter(|_| found.is_none());
        assert!(failed.is_none(), "the client failed: {failed:?}");
        found
    }

    /// Locks the commands.
    fn commands(&self) -> MutexGuard<'_, Vec<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes events and returns commands. Its deadline is a second from now, so a backend that ignores `wake` is found
/// out only by its slowness.
impl GroupMember for ScriptedMember {
    fn on(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        {
            let mut heard = self.0.heard();
            match event {
                Event::Assigned(lanes) => heard.lanes.extend(lanes),
                Event::Revoked { id, .. } if heard.answers_at_once => commands.push(Command::Answer(id)),
                Event::Revoked { id, lanes, .. } => heard.revoked.push_back((id, lanes)),
                Event::Committed(reports) => heard.commits.extend(reports),
                Event::Expired { .. } => {}
                Event::Fatal { message, .. } => heard.fatal = Some(message),
                Event::Closed => heard.closed = true,
            }
        }
        self.0.changed.notify_waiters();
        commands
    }

    fn turn(&mut self) -> Vec<Command> {
        let commands = std::mem::take(&mut *self.0.commands());
        if !commands.is_empty() {
            self.0.changed.notify_waiters();
        }
        commands
    }

    fn set_problems(&mut self, _problems: Vec<String>) {}

    fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.0.wake)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    fn crash_token(&self) -> CancellationToken {
        self.0.crash.clone()
    }

    fn spare_drain(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn is_finished(&self) -> bool {
        self.0.heard().closed
    }
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heard")
            .field("lanes", &self.lanes.len())
            .field("revoked", &self.revoked)
            .field("commits", &self.commits)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

/// Takes the records of a lane that are there next, 100 at most, and returns their record offsets.
pub(super) async fn fill(lane: &mut dyn Lane) -> Vec<i64> {
    let filled = poll_fn(|cx| lane.poll_fill(cx, 100));
    let records = timeout(PATIENCE, filled).await.expect("records in time");
    (0..records).map(|index| lane.record(index).offset).collect()
}

/// Takes records of a lane until there are `records` of them or more, and returns their record offsets.
pub(super) async fn fill_all(lane: &mut dyn Lane, records: usize) -> Vec<i64> {
    let mut offsets = Vec::new();
    while offsets.len() < records {
        offsets.extend(fill(lane).await);
    }
    offsets
}

/// Returns whether the lane yields nothing for this long. A lane that wakes its task without records still yields
/// nothing.
pub(super) async fn yields_nothing(lane: &mut dyn Lane, long: Duration) -> bool {
    let woken = async {
        poll_fn(|cx| match lane.poll_fill(cx, 100) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        })
        .await;
    };
    timeout(long, woken).await.is_err()
}
