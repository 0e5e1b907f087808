//! A member that decides nothing by itself: a check reads its events, and returns commands for it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::PATIENCE;
use crate::broker::{
    Broker, Command, CommitReport, Epoch, Event, GroupMember, GroupRequest, Lane, RevocationId,
};
use crate::policy::Start;

/// A membership of a group, controlled by a check. Dropping it crashes the member, unless it was closed.
pub(super) struct ScriptedMembership {
    script: Arc<Script>,
}

/// The state that the member and its check share.
#[derive(Debug, Default)]
struct Script {
    heard: Mutex<Heard>,
    /// Notified when the member has handled an event.
    changed: Notify,
    commands: Mutex<Vec<Command>>,
    wake: Arc<Notify>,
    crash: CancellationToken,
}

/// The events so far, each until the check takes it.
#[derive(Default)]
struct Heard {
    lanes: VecDeque<Box<dyn Lane>>,
    revoked: VecDeque<(RevocationId, Vec<Epoch>)>,
    commits: Vec<CommitReport>,
    /// Whether a revocation is answered at once, without the check.
    answers_at_once: bool,
    closed: bool,
    fatal: Option<String>,
}

/// The member that the backend drives.
#[derive(Debug)]
struct ScriptedMember(Arc<Script>);

impl ScriptedMembership {
    /// Joins a group that reads one topic from its beginning, and commits only on request.
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

    /// Answers every revocation from now on at once.
    pub(super) fn answer_at_once(&self) {
        self.script.heard().answers_at_once = true;
    }

    /// Passes commands to the backend, all at once.
    pub(super) fn command(&self, commands: impl IntoIterator<Item = Command>) {
        self.script.commands().extend(commands);
        self.script.wake.notify_one();
    }

    /// Waits until the backend has taken the commands.
    pub(super) async fn taken(&self) {
        let commands = || self.script.commands();
        self.heard("that its commands are taken", |_| commands().is_empty().then_some(())).await;
    }

    /// Returns the next assigned lane.
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

    /// Returns the reports of commits so far.
    pub(super) fn commits(&self) -> Vec<CommitReport> {
        self.script.heard().commits.clone()
    }

    /// Leaves the group, and waits until the backend has left it.
    pub(super) async fn close(&self) {
        self.command([Command::Close]);
        self.heard("the end", |heard| heard.closed.then_some(())).await;
    }

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

impl Drop for ScriptedMembership {
    fn drop(&mut self) {
        if !self.script.heard().closed {
            self.script.crash.cancel();
        }
        self.script.wake.notify_one();
    }
}

impl Script {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, look: impl FnOnce(&mut Heard) -> Option<T>) -> Option<T> {
        let mut heard = self.heard();
        let found = look(&mut heard);
        let failed = heard.fatal.as_ref().filter(|_| found.is_none());
        assert!(failed.is_none(), "the client failed: {failed:?}");
        found
    }

    fn commands(&self) -> MutexGuard<'_, Vec<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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

/// Takes the next records of a lane, and returns their offsets.
pub(super) async fn fill(lane: &mut dyn Lane) -> Vec<i64> {
    let filled = poll_fn(|cx| lane.poll_fill(cx, 100));
    let records = timeout(PATIENCE, filled).await.expect("records in time");
    (0..records).map(|index| lane.record(index).offset).collect()
}

/// Takes records of a lane until there are `records` of them, and returns their offsets.
pub(super) async fn fill_all(lane: &mut dyn Lane, records: usize) -> Vec<i64> {
    let mut offsets = Vec::new();
    while offsets.len() < records {
        offsets.extend(fill(lane).await);
    }
    offsets
}

/// Returns whether the lane yields nothing for this long.
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
