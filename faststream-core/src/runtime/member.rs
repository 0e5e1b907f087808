//! One membership of a group: carries events to the state machine, and its outputs to lanes and backend.
//!
//! Plain and synchronous: a backend calls it on its control thread. It never waits, whatever handlers do.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::LaneControl;
use super::commits::Commits;
use super::group::{Group, Input, Output};
use super::lane::LaneTask;
use super::metrics;
use super::quiet::Vote;
use super::refusals::Refusals;
use super::status::{Ended, MemberHandle, News, Shared};
use crate::app::Context;
use crate::broker::{Command, CommitReport, Epoch, Event, Lane};
use crate::policy::GroupSettings;
use crate::subscriber::Subscriber;

/// One membership of a group: the state machine, and the lanes' tasks that it starts and ends.
///
/// Dropping it before it is finished is a crash: the lanes' tasks are aborted, nothing is drained.
pub struct Member {
    name: Arc<str>,
    subscribers: Vec<Arc<Subscriber>>,
    context: Arc<Context>,
    settings: Arc<GroupSettings>,
    /// Where the lanes' tasks run.
    runtime: Handle,
    group: Group,
    commits: Commits,
    refusals: Refusals,
    /// Assigned, and about to be started by the state machine.
    arrived: BTreeMap<Epoch, Box<dyn Lane>>,
    running: BTreeMap<Epoch, Running>,
    shared: Arc<Shared>,
    /// What the end of the membership will be, if nothing worse happens.
    ending: Ended,
    /// Since when the app has been shutting down.
    shutdown: Option<Instant>,
}

struct Running {
    place: Place,
    subscriber: Arc<Subscriber>,
    control: Arc<LaneControl>,
    task: AbortHandle,
}

/// For what is said about a lane.
#[derive(Debug, Clone)]
struct Place {
    topic: Arc<str>,
    partition: i32,
}

impl Drop for Running {
    fn drop(&mut self) {
        // First the fence, which acts at once; the abort takes until the task's next turn.
        self.control.fence();
        self.task.abort();
    }
}

impl Member {
    /// A member whose lanes run on the current tokio runtime, and the app's handle to it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(
        group: Arc<str>,
        subscribers: Vec<Arc<Subscriber>>,
        context: Arc<Context>,
        settings: GroupSettings,
    ) -> (Self, MemberHandle) {
        let shared = Arc::new(Shared::new());
        let handle = MemberHandle::new(Arc::clone(&shared));
        let member = Self {
            name: group,
            subscribers,
            context,
            commits: Commits::new(settings.commit_interval),
            refusals: Refusals::default(),
            settings: Arc::new(settings),
            runtime: Handle::current(),
            group: Group::default(),
            arrived: BTreeMap::new(),
            running: BTreeMap::new(),
            shared,
            ending: Ended::Clean,
            shutdown: None,
        };
        (member, handle)
    }

    /// Something happened; what to do about it, in order.
    pub fn on(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            Event::Assigned(lanes) => self.assigned(lanes, &mut commands),
            Event::Revoked { id, lanes, lost } => {
                metrics::rebalance(&self.name, if lost { "lost" } else { "revoked" });
                info!(group = %self.name, lanes = lanes.len(), lost, "partitions revoked");
                self.advance(Input::Revoked { id, lanes, lost }, &mut commands);
            }
            Event::Committed(reports) => self.committed(&reports),
            Event::Fatal { message, permanent } => {
                error!(group = %self.name, permanent, "the client is beyond repair: {message}");
                self.ending = Ended::Fatal { message, permanent };
                self.advance(Input::Fatal, &mut commands);
            }
            Event::Closed => self.advance(Input::Closed, &mut commands),
        }
        commands
    }

    /// News of lanes, requests of the app, the clock. To be called when [`wake`](Self::wake) is notified, at
    /// [`deadline`](Self::deadline), or simply every 20 ms.
    pub fn turn(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        for news in self.shared.take_news() {
            match news {
                News::Shutdown => {
                    self.shutdown.get_or_insert_with(Instant::now);
                    self.advance(Input::Shutdown, &mut commands);
                }
                News::WantsCommit => commands.push(Command::CommitNow),
                News::LaneEnded { lane, died } => {
                    if died && let Some(lane) = self.running.get(&lane) {
                        let Place { topic, partition } = &lane.place;
                        error!(group = %self.name, %topic, partition, "the partition's task died: opened again");
                    }
                    self.running.remove(&lane);
                    self.advance(Input::LaneEnded { lane, died }, &mut commands);
                }
            }
        }
        self.advance(Input::Tick, &mut commands);
        let now = Instant::now();
        if self.commits.is_due(now) {
            let dirty =
                self.running.values().filter(|lane| lane.control.is_dirty()).map(|lane| &lane.control);
            self.commits.check(now, dirty);
            let dirty = self.commits.dirty_for(now);
            metrics::dirty(&self.name, dirty);
            self.refusals.retain(|lane| self.running.contains_key(lane));
            let mut status = self.shared.status();
            status.known.dirty_for = dirty;
            if !self.refusals.any() {
                status.known.commit_error = None;
            }
        }
        // News of a commit wish may have come many times: one is enough.
        commands.dedup_by(|one, other| one == other && *one == Command::CommitNow);
        commands
    }

    /// Notified (`notify_one`) when `turn` has something to do before the deadline.
    #[must_use]
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.wake)
    }

    /// Cancelled when the app crashes this member on purpose: the backend drops it at once.
    #[must_use]
    pub fn crash_token(&self) -> CancellationToken {
        self.shared.crash.clone()
    }

    /// When `turn` has something to do by the clock alone.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let commits = (!self.running.is_empty()).then(|| self.commits.next_check());
        self.group.next_deadline().into_iter().chain(commits).min()
    }

    /// What is left of the drain time at a shutdown: leaving the group may use it, too.
    #[must_use]
    pub fn spare_drain(&self) -> Duration {
        let used = self.shutdown.map_or(Duration::ZERO, |since| since.elapsed());
        self.settings.drain.saturating_sub(used)
    }

    /// Nothing more will be asked of the backend. After `Event::Closed`, or when closing took too long: the backend
    /// ends its thread then, and leaks the client rather than wait for it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.group.is_finished()
    }

    fn assigned(&mut self, lanes: Vec<Box<dyn Lane>>, commands: &mut Vec<Command>) {
        let mut known = Vec::new();
        for lane in lanes {
            let Some(subscriber) = self.subscribers.iter().find(|subscriber| subscriber.reads(lane.topic()))
            else {
                warn!(group = %self.name, topic = lane.topic(), partition = lane.partition(),
                    "assigned a partition that no handler of this app reads: left alone");
                continue;
            };
            known.push((lane.epoch(), subscriber.drain));
            info!(group = %self.name, topic = lane.topic(), partition = lane.partition(), offset = lane.start(),
                handler = %subscriber.handler, "partition assigned");
            self.arrived.insert(lane.epoch(), lane);
        }
        metrics::rebalance(&self.name, "assigned");
        self.shared.status().known.assigned = true;
        self.advance(Input::Assigned(known), commands);
    }

    fn committed(&mut self, reports: &[CommitReport]) {
        let now = Instant::now();
        for report in reports {
            let Some(lane) = self.running.get(&report.lane) else { continue };
            let Place { topic, partition } = &lane.place;
            match &report.result {
                Ok(()) => {
                    metrics::commit(&self.name, "ok");
                    lane.control.committed(report.next);
                    self.commits.accepted(now);
                    if self.refusals.accepted(report.lane) {
                        info!(group = %self.name, %topic, partition, offset = report.next, "commits succeed again");
                    }
                }
                Err(error) => {
                    metrics::commit(&self.name, error.class.label());
                    lane.control.brake();
                    let text = format!("{topic}/{partition} at offset {}: {error}", report.next);
                    self.shared.status().known.commit_error = Some(text);
                    if self.refusals.failed(report.lane, now) {
                        warn!(group = %self.name, %topic, partition, offset = report.next, class = ?error.class,
                            "a commit failed, tried again; delivery goes on: {error}");
                    } else {
                        debug!(group = %self.name, %topic, partition, offset = report.next, "a commit failed: {error}");
                    }
                }
            }
        }
        if !self.refusals.any() {
            self.shared.status().known.commit_error = None;
        }
    }

    fn advance(&mut self, input: Input, commands: &mut Vec<Command>) {
        let mut outputs = Vec::new();
        self.group.on(Instant::now(), input, &mut outputs);
        for output in outputs {
            self.carry_out(output, commands);
        }
        let lanes = self.running.len();
        if std::mem::replace(&mut self.shared.status().known.lanes, lanes) != lanes {
            metrics::assigned(&self.name, lanes);
        }
    }

    fn carry_out(&mut self, output: Output, commands: &mut Vec<Command>) {
        match output {
            Output::Start(epoch) => {
                let lane = self.arrived.remove(&epoch).expect("the state machine starts only what arrived");
                let running = self.start(lane);
                self.running.insert(epoch, running);
            }
            Output::Discard(epoch) => drop(self.arrived.remove(&epoch)),
            Output::Drain(epoch) => {
                if let Some(lane) = self.running.get(&epoch) {
                    lane.control.stop();
                }
            }
            Output::Fence { lane, late } => self.cut_off(lane, late),
            Output::Answer(id) => commands.push(Command::Answer(id)),
            Output::Reopen(epoch) => {
                self.running.remove(&epoch);
                metrics::lane_restart(&self.name);
                commands.push(Command::Reopen(epoch));
            }
            Output::Close => commands.push(Command::Close),
            Output::Finished { closed } => {
                if !closed {
                    warn!(group = %self.name, "leaving the group took too long: left without the broker's answer");
                }
                self.shared.end(self.ending.clone());
            }
        }
    }

    fn cut_off(&mut self, epoch: Epoch, late: bool) {
        let Some(cut) = self.running.remove(&epoch) else { return };
        if !late {
            return;
        }
        metrics::drain_timeout(&self.name);
        let Place { topic, partition } = &cut.place;
        let (handler, drain) = (&cut.subscriber.handler, cut.subscriber.drain);
        let offset = cut.control.oldest();
        warn!(group = %self.name, %topic, partition, offset, %handler, ?drain,
            "a call was still running when its drain time was over: cut off, the record is handled again");
        let at = offset.map_or_else(String::new, |offset| format!(" at offset {offset}"));
        let sentence =
            format!("{topic}/{partition}{at}: {handler} was still running after its drain time of {drain:?}");
        match &mut self.ending {
            Ended::Clean => self.ending = Ended::DrainExceeded { left: vec![sentence] },
            Ended::DrainExceeded { left } => left.push(sentence),
            Ended::Fatal { .. } | Ended::Crashed => {}
        }
    }

    fn start(&self, lane: Box<dyn Lane>) -> Running {
        let epoch = lane.epoch();
        let place = Place { topic: lane.topic().into(), partition: lane.partition() };
        let subscriber = self.subscribers.iter().find(|subscriber| subscriber.reads(lane.topic()));
        let subscriber = Arc::clone(subscriber.expect("only lanes with a subscriber are started"));
        let control = Arc::new(LaneControl::new(epoch, lane.start()));
        let mut task = LaneTask::new(
            lane,
            Arc::clone(&subscriber),
            Arc::clone(&self.context),
            Arc::clone(&self.settings),
            Arc::clone(&control),
            Arc::clone(&self.shared),
            Vote::new(Arc::clone(&self.context.quiet)),
        );
        let shared = Arc::clone(&self.shared);
        let task = self.runtime.spawn(async move {
            // The task is dropped inside, before the news: when the group hears of it, all is gone.
            let run = AssertUnwindSafe(async move { std::future::poll_fn(|cx| task.poll(cx)).await })
                .catch_unwind();
            let died = run.await.is_err();
            shared.tell(News::LaneEnded { lane: epoch, died });
        });
        Running { place, subscriber, control, task: task.abort_handle() }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.end(Ended::Crashed);
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("name", &self.name)
            .field("group", &self.group)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}
