//! One membership of a group: passes events to the state machine, and applies its outputs to lanes and backend.
//!
//! Plain and synchronous: a backend calls it on its control thread. It never waits, whatever handlers do.
//!
//! Two entrances: `on` for events of the backend, `turn` for everything else (notices of lanes, hooks and the app,
//! and the clock). Both return commands for the backend. Three parts do the rest: `group.rs` decides, `running.rs`
//! starts and ends tasks, `reports.rs` turns results into logs, metrics and health.
//!
//! A new partition goes through it like this: `Event::Assigned` puts its lane into `arrived`, the state machine
//! outputs `Start`, and `start` spawns the task and puts it into `running`. From then on the member sees only
//! notices of it, never a record.

use crate::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::commits::Commits;
use super::deaths::Deaths;
use super::group::{Action, Group, Input};
use super::listed;
use super::member_handle::MemberHandle;
use super::member_scope::MemberScope;
use super::member_status::Ended;
use super::metrics;
use super::progress::Progress;
use super::requests::Requests;
use super::running::RunningLane;
use super::status::{Notice, Shared};
use crate::broker::{Command, Epoch, Event, GroupMember, Lane, RevocationId};
use crate::context::{Context, LaneControl};
use crate::hooks::{GroupHookRunner, GroupHooks};
use crate::log::{bounded, debug, error, info, warn};
use crate::policy::GroupSettings;
use crate::subscriber::Subscriber;

/// One membership of a group: the state machine, and the lanes' tasks that it starts and ends.
///
/// Dropping it before it is finished counts as a crash: the lanes' tasks are aborted, and nothing is drained.
pub struct Member {
    /// What it belongs to: names, settings, subscribers, the shared status.
    pub(super) scope: MemberScope,
    /// The state machine.
    group: Group,
    /// Whether commits succeed.
    pub(super) commits: Commits,
    /// Whether the lanes' tasks run.
    pub(super) progress: Progress,
    /// Which tasks died, and where.
    pub(super) deaths: Deaths,
    /// Assigned lanes that the state machine is about to start. Empty between two calls.
    arrived: BTreeMap<Epoch, Box<dyn Lane>>,
    /// The lanes whose task runs. Dropping one fences it and aborts its task.
    pub(super) running: BTreeMap<Epoch, RunningLane>,
    /// Runs the group's hooks, on threads of their own.
    pub(super) hooks: GroupHookRunner,
    /// The app's pauses and seeks.
    pub(super) requests: Requests,
    /// The lanes for `on_revoked`, once their calls have ended: those that a revocation releases, or a shutdown
    /// (`None`).
    leaving: BTreeMap<Option<RevocationId>, Vec<(TopicPartition, Arc<LaneControl>)>>,
    /// How it ends.
    pub(super) ending: Ending,
}

/// The end of a membership, as far as it has come.
#[derive(Debug)]
pub(super) struct Ending {
    /// Since when the app has been shutting down; `None` before.
    pub(super) since: Option<Instant>,
    /// The lanes that the shutdown released, until the result of their last commit is known.
    pub(super) parting: Vec<(TopicPartition, Arc<LaneControl>)>,
    /// How the membership will end, if nothing worse happens.
    pub(super) how: Ended,
}

impl Member {
    /// Returns a member whose lanes run on the current tokio runtime, and the app's handle to it.
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
        let hooks = GroupHookRunner::new(
            Arc::clone(&group),
            Arc::clone(&context),
            Arc::clone(&shared.wake),
            Handle::current(),
            settings.drain,
        );
        let commits = Commits::new(settings.commit_interval);
        let member = Self {
            hooks,
            leaving: BTreeMap::new(),
            scope: MemberScope {
                name: group,
                subscribers,
                context,
                settings: Arc::new(settings),
                runtime: Handle::current(),
                shared,
            },
            commits,
            progress: Progress::default(),
            deaths: Deaths::default(),
            group: Group::default(),
            arrived: BTreeMap::new(),
            running: BTreeMap::new(),
            requests: Requests::default(),
            ending: Ending { since: None, parting: Vec::new(), how: Ended::Clean },
        };
        (member, handle)
    }

    /// Runs these hooks when partitions are assigned and revoked, and when commits fail.
    pub(crate) fn with_hooks(mut self, hooks: Arc<GroupHooks>) -> Self {
        self.hooks.set(hooks);
        if self.hooks.delay_answers() {
            self.group.hooked();
        }
        self
    }

    /// Starts the lanes that a handler reads, logs all of them in one line, and runs `on_assigned` for them. A
    /// partition that no handler reads is left alone.
    fn assigned(&mut self, lanes: Vec<Box<dyn Lane>>, commands: &mut Vec<Command>) {
        let mut known = Vec::new();
        for lane in lanes {
            let Some(subscriber) =
                self.scope.subscribers.iter().find(|subscriber| subscriber.spec.reads(lane.topic()))
            else {
                warn!(group = %self.scope.name, topic = lane.topic(), partition = lane.partition(),
                    "assigned a partition that no handler of this app reads: left alone");
                continue;
            };
            known.push((lane.epoch(), subscriber.spec.drain));
            debug!(group = %self.scope.name, topic = lane.topic(), partition = lane.partition(), offset = lane.start(),
                handler = %subscriber.handler.name, "partition assigned");
            self.arrived.insert(lane.epoch(), lane);
        }
        let partitions = known.iter().filter_map(|(lane, _)| self.arrived.get(lane));
        let partitions = listed::list(partitions.map(|lane| (lane.topic(), lane.partition())));
        if known.is_empty() {
            info!(group = %self.scope.name, "no partitions assigned");
        } else {
            info!(group = %self.scope.name, "{} assigned: {partitions}", listed::count(known.len()));
        }
        metrics::rebalance(&self.scope.name, "assigned");
        {
            let mut status = self.scope.shared.status();
            (status.known.assignment.was_assigned, status.lost_since) = (true, None);
        }
        let lanes: Vec<Epoch> = known.iter().map(|(lane, _)| *lane).collect();
        self.advance(Input::Assigned(known), commands);
        self.hooks.assigned(
            lanes.iter().filter_map(|lane| self.running.get(lane)).map(RunningLane::share).collect(),
        );
    }

    /// Notes all lanes for the hook at a shutdown. Each partition is reported once, so those that are being revoked are
    /// left out.
    fn leave_all(&mut self) {
        if self.ending.since.is_some() {
            return;
        }
        let revoked: BTreeSet<Epoch> =
            self.leaving.values().flatten().map(|(_, control)| control.epoch).collect();
        let kept = self.running.iter().filter(|(epoch, _)| !revoked.contains(epoch));
        let kept: Vec<_> = kept.map(|(_, lane)| lane.share()).collect();
        self.ending.parting.clone_from(&kept);
        self.leaving.insert(None, kept);
    }

    /// Forgets lanes that a newer revocation reports, or that are lost.
    fn forget_leaving(&mut self, leaving: &[(TopicPartition, Arc<LaneControl>)]) {
        for told in self.leaving.values_mut() {
            told.retain(|(_, control)| leaving.iter().all(|(_, newer)| newer.epoch != control.epoch));
        }
    }

    /// Passes an input to the state machine, applies its outputs, and updates the number of lanes in status and
    /// metrics.
    pub(super) fn advance(&mut self, input: Input, commands: &mut Vec<Command>) {
        let mut outputs = Vec::new();
        self.group.on(Instant::now(), input, &mut outputs);
        for output in outputs {
            self.apply(output, commands);
        }
        let lanes = self.running.len();
        if std::mem::replace(&mut self.scope.shared.status().known.assignment.lanes, lanes) != lanes {
            metrics::assigned(&self.scope.name, lanes);
            self.note_paused();
        }
    }

    /// Applies one output. Commands for the backend are appended to `commands`.
    fn apply(&mut self, output: Action, commands: &mut Vec<Command>) {
        match output {
            Action::Start(epoch) => {
                let lane = self.arrived.remove(&epoch).expect("the state machine starts only what arrived");
                let running = self.start(lane);
                if running.control.is_paused() {
                    commands.push(Command::Pause(epoch));
                }
                self.running.insert(epoch, running);
            }
            Action::Discard(epoch) => drop(self.arrived.remove(&epoch)),
            Action::Drain(epoch) => {
                if let Some(lane) = self.running.get(&epoch) {
                    lane.control.stop();
                }
            }
            Action::Fence { lane, late } => self.cut_off(lane, late),
            Action::Hook(revocation) => {
                let leaving = self.leaving.remove(&revocation).unwrap_or_default();
                self.hooks.revoked(revocation, &leaving);
            }
            Action::Answer(id) => {
                self.leaving.remove(&Some(id));
                commands.push(Command::Answer(id));
            }
            Action::Reopen(epoch) => {
                self.running.remove(&epoch);
                self.requests.forget(&[epoch]);
                metrics::lane_restart(&self.scope.name);
                commands.push(Command::Reopen(epoch));
            }
            Action::Seek { lane, next } => self.apply_seek(lane, next, commands),
            Action::RefuseSeek(lane) => self.refuse_seek(lane),
            Action::Close => commands.push(Command::Close),
            Action::Finished { closed } => {
                if !closed {
                    warn!(group = %self.scope.name, "leaving the group took too long: left without the broker's answer");
                }
                self.scope.shared.status().known.commits.uncommitted = self.uncommitted();
                self.scope.shared.end(self.ending.how.clone());
            }
        }
    }
}

impl GroupMember for Member {
    fn on(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            Event::Assigned(lanes) => self.assigned(lanes, &mut commands),
            Event::Revoked { id, lanes, lost } => {
                metrics::rebalance(&self.scope.name, if lost { "lost" } else { "revoked" });
                let event = if lost { "lost" } else { "revoked" };
                let partitions = lanes.iter().filter_map(|lane| self.running.get(lane)).map(|lane| &lane.tp);
                let partitions = listed::list(partitions.map(|tp| (&*tp.topic, tp.partition)));
                info!(group = %self.scope.name, "{} {event}: {partitions}", listed::count(lanes.len()));
                if lost && self.running.keys().all(|lane| lanes.contains(lane)) {
                    self.scope.shared.status().lost_since.get_or_insert_with(Instant::now);
                }
                let leaving: Vec<_> =
                    lanes.iter().filter_map(|lane| self.running.get(lane)).map(RunningLane::share).collect();
                self.forget_leaving(&leaving);
                self.requests.forget(&lanes);
                if lost {
                    for lane in &lanes {
                        self.running.entry(*lane).and_modify(|lane| lane.is_lost = true);
                    }
                    self.hooks.lost(&leaving);
                } else {
                    self.leaving.insert(Some(id), leaving);
                }
                self.advance(Input::Revoked { id, lanes, lost }, &mut commands);
            }
            Event::Committed(reports) => self.committed(&reports),
            Event::Expired { lane, from, to } => self.expired(lane, from, to),
            Event::Fatal { message, remedy } => {
                let message = bounded(message);
                let lost: Vec<_> = self.running.values().map(RunningLane::share).collect();
                self.hooks.lost(&lost);
                self.ending.how = Ended::Fatal { message, remedy };
                self.advance(Input::Fatal, &mut commands);
            }
            Event::Closed => self.advance(Input::Closed, &mut commands),
        }
        commands
    }

    fn turn(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        self.scope.shared.turned();
        for revocation in self.hooks.take_ended() {
            self.advance(Input::HookEnded(revocation), &mut commands);
        }
        for notices in self.scope.shared.take_notices() {
            match notices {
                Notice::Shutdown => {
                    self.leave_all();
                    self.ending.since.get_or_insert_with(Instant::now);
                    self.advance(Input::Shutdown, &mut commands);
                }
                Notice::Request(request, reply) => self.request(request, reply, &mut commands),
                Notice::WantsCommit => commands.push(Command::CommitNow),
                Notice::LaneEnded { lane, died, at } => {
                    if died && let Some(lane) = self.running.get(&lane) {
                        let (TopicPartition { topic, partition }, handler) =
                            (&lane.tp, &lane.subscriber.handler.name);
                        let deaths = self.deaths.add(Instant::now(), &lane.tp, handler, at);
                        error!(group = %self.scope.name, %topic, partition, offset = at, %handler, deaths,
                            "the partition's task died; it is opened again (a record at which it died has failed an attempt)");
                        self.scope.shared.status().known.dying = self.deaths.in_a_row();
                    }
                    let ended = self.running.remove(&lane);
                    self.advance(Input::LaneEnded { lane, died }, &mut commands);
                    if let Some(ended) = ended.filter(|_| self.group.is_dead(lane)) {
                        self.requests.died(lane, &ended);
                    }
                }
            }
        }
        self.advance(Input::Tick, &mut commands);
        let now = Instant::now();
        if self.commits.is_due(now) {
            self.look_for_stuck(now);
            if self.deaths.forget(now) {
                self.scope.shared.status().known.dying = self.deaths.in_a_row();
            }
            self.running.values().for_each(RunningLane::store_late);
            self.commits.check(now, self.running.values().map(|lane| &lane.control));
            if self.commits.ask_again() {
                commands.push(Command::CommitNow);
            }
            let dirty = self.commits.dirty_for(now);
            metrics::dirty(&self.scope.name, dirty);
            let mut status = self.scope.shared.status();
            (status.known.commits.dirty_for, status.known.commits.error) = (dirty, self.commits.error());
        }
        // Several notices may have requested a commit: one is enough.
        commands.dedup_by(|one, other| one == other && *one == Command::CommitNow);
        commands
    }

    fn set_problems(&mut self, problems: Vec<String>) {
        self.scope.shared.status().known.problems = problems;
    }

    fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.scope.shared.wake)
    }

    fn crash_token(&self) -> CancellationToken {
        self.scope.shared.crash.clone()
    }

    fn deadline(&self) -> Instant {
        let check = self.commits.next_check();
        self.group.next_deadline().map_or(check, |deadline| deadline.min(check))
    }

    fn spare_drain(&self) -> Duration {
        let used = self.ending.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.scope.settings.drain.saturating_sub(used)
    }

    fn is_finished(&self) -> bool {
        self.group.is_finished()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.scope.shared.end(Ended::Crashed);
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("name", &self.scope.name)
            .field("group", &self.group)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}
