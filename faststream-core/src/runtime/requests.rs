//! What the app requests of a member while it runs: pauses and seeks.
//!
//! A pause needs no state of the group's machine: a lane that drains or has died begins nothing anyway. A seek ends a
//! lane, so the machine decides when (`group.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Member;
use super::group::Input;
use super::member_status::PausedHandler;
use super::pauses::{PauseTarget, Pauses};
use super::running::RunningLane;
use crate::TopicPartition;
use crate::broker::{Command, Epoch, Lane};
use crate::context::LaneControl;
use crate::log::{info, warn};

/// A request of the app.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Pause(PauseTarget),
    Resume(PauseTarget),
    /// Open this partition again at the offset `next`. `handler` reads it, if it is named.
    Seek {
        handler: Option<Arc<str>>,
        tp: TopicPartition,
        next: i64,
    },
}

/// Why a request had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The member does not read the partition, or another handler does.
    NotAssigned,
    /// The partition was given back before the seek.
    Moved,
    /// A later seek of the same partition came first.
    Superseded,
    /// The membership has ended, or is about to.
    Ended,
}

/// Takes the result of a request.
pub(super) type Reply = oneshot::Sender<Result<(), Refused>>;

/// The requests of the app, as far as they last.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) pauses: Pauses,
    /// The seeks of lanes that have not ended.
    seeks: BTreeMap<Epoch, PendingSeek>,
    /// The partitions that the backend opens again because of a seek.
    sought: BTreeMap<TopicPartition, Sought>,
    /// The lanes whose task died, until their partition is opened again.
    dead: BTreeMap<Epoch, SharedLane>,
}

/// What is known of a lane after its end, too.
#[derive(Debug, Clone)]
struct SharedLane {
    handler: Arc<str>,
    tp: TopicPartition,
    control: Arc<LaneControl>,
}

#[derive(Debug)]
struct PendingSeek {
    lane: SharedLane,
    reply: Reply,
}

/// How a lane that a seek opens is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sought {
    next: i64,
    /// Everything that the group has committed or finished comes before it.
    is_forward: bool,
}

impl SharedLane {
    fn of(lane: &RunningLane) -> Self {
        let (tp, control) = lane.share();
        Self { handler: Arc::clone(&lane.subscriber.handler.name), tp, control }
    }

    fn is_of(&self, handler: Option<&str>, tp: &TopicPartition) -> bool {
        self.tp == *tp && handler.is_none_or(|name| name == &*self.handler)
    }
}

impl Requests {
    /// Notes a lane whose task died: a seek may open its partition before the pause is over.
    pub(super) fn died(&mut self, epoch: Epoch, lane: &RunningLane) {
        self.dead.insert(epoch, SharedLane::of(lane));
    }

    /// Forgets lanes that died and are opened again, or given back.
    pub(super) fn forget(&mut self, lanes: &[Epoch]) {
        self.dead.retain(|dead, _| !lanes.contains(dead));
    }
}

impl Member {
    /// Keeps what is paused in this list, which may have pauses of an earlier client.
    pub(crate) fn with_pauses(mut self, pauses: Pauses) -> Self {
        self.requests.pauses = pauses;
        self.note_paused();
        self
    }

    pub(super) fn request(&mut self, request: Request, reply: Reply, commands: &mut Vec<Command>) {
        // Whoever does not wait for the result does not need it.
        match request {
            Request::Pause(target) => {
                if target.tp.is_some() && !self.reads(&target) {
                    let _ = reply.send(Err(Refused::NotAssigned));
                    return;
                }
                self.requests.pauses.add(target.clone());
                self.apply_pauses(commands);
                self.log_pause(&target, "paused: no call begins until it is resumed");
                let _ = reply.send(Ok(()));
            }
            Request::Resume(target) => {
                self.requests.pauses.remove(&target);
                self.apply_pauses(commands);
                self.log_pause(&target, "resumed");
                let _ = reply.send(Ok(()));
            }
            Request::Seek { handler, tp, next } => self.seek(handler.as_deref(), &tp, next, reply, commands),
        }
    }

    fn reads(&self, target: &PauseTarget) -> bool {
        let mut running = self.running.values();
        let mut dead = self.requests.dead.values();
        running.any(|lane| target.includes(&lane.subscriber.handler.name, &lane.tp))
            || dead.any(|lane| target.includes(&lane.handler, &lane.tp))
    }

    /// Pauses and resumes lanes as the list of pauses says.
    fn apply_pauses(&mut self, commands: &mut Vec<Command>) {
        for (epoch, lane) in &self.running {
            let stops = self.requests.pauses.stop(&lane.subscriber.handler.name, &lane.tp);
            if lane.control.is_paused() != stops {
                lane.control.set_paused(stops);
                commands.push(if stops { Command::Pause(*epoch) } else { Command::Resume(*epoch) });
            }
        }
        self.note_paused();
    }

    fn log_pause(&self, target: &PauseTarget, what: &str) {
        let lanes = self.running.values();
        let partitions =
            lanes.filter(|lane| target.includes(&lane.subscriber.handler.name, &lane.tp)).count();
        let handler = target.handler.as_deref().unwrap_or("all handlers");
        let tp = target.tp.as_ref().map(ToString::to_string);
        info!(group = %self.scope.name, handler, topic_partition = tp, partitions, "{what}");
    }

    /// Shows what is paused in the status. Call it when lanes or pauses have changed.
    pub(super) fn note_paused(&self) {
        let targets = self.requests.pauses.all();
        let paused = targets.into_iter().map(|target| PausedHandler {
            partitions: self
                .running
                .values()
                .filter(|lane| target.includes(&lane.subscriber.handler.name, &lane.tp))
                .count(),
            handler: target.handler,
            topic_partition: target.tp,
        });
        self.scope.shared.status().known.paused = paused.collect();
    }

    fn seek(
        &mut self,
        handler: Option<&str>,
        tp: &TopicPartition,
        next: i64,
        reply: Reply,
        commands: &mut Vec<Command>,
    ) {
        let running = self.running.iter().map(|(epoch, lane)| (*epoch, SharedLane::of(lane)));
        let dead = self.requests.dead.iter().map(|(epoch, lane)| (*epoch, lane.clone()));
        let found = running.chain(dead).find(|(_, lane)| lane.is_of(handler, tp));
        let Some((epoch, lane)) = found else {
            let _ = reply.send(Err(Refused::NotAssigned));
            return;
        };
        let TopicPartition { topic, partition } = tp;
        info!(group = %self.scope.name, %topic, partition, offset = next, handler = %lane.handler, "seeking");
        let earlier = self.requests.seeks.insert(epoch, PendingSeek { lane, reply });
        if let Some(earlier) = earlier {
            let _ = earlier.reply.send(Err(Refused::Superseded));
        }
        self.advance(Input::Seek { lane: epoch, next }, commands);
    }

    /// The lane has ended: lets the backend open its partition at the offset `next`.
    pub(super) fn apply_seek(&mut self, epoch: Epoch, next: i64, commands: &mut Vec<Command>) {
        self.running.remove(&epoch);
        self.requests.forget(&[epoch]);
        if let Some(PendingSeek { lane, reply }) = self.requests.seeks.remove(&epoch) {
            let is_forward = next > lane.control.offsets.finished_to();
            self.requests.sought.insert(lane.tp, Sought { next, is_forward });
            let _ = reply.send(Ok(()));
        }
        commands.push(Command::Seek { lane: epoch, next });
    }

    pub(super) fn refuse_seek(&mut self, epoch: Epoch) {
        let Some(PendingSeek { lane, reply }) = self.requests.seeks.remove(&epoch) else { return };
        let is_ending = self.ending.since.is_some() || self.ending.how != super::member_status::Ended::Clean;
        let why = if is_ending { Refused::Ended } else { Refused::Moved };
        let TopicPartition { topic, partition } = &lane.tp;
        warn!(group = %self.scope.name, %topic, partition, handler = %lane.handler,
            "a seek had no effect: the partition is given back");
        let _ = reply.send(Err(why));
    }

    /// Returns how the seek that opened this lane is committed; `None` if it was not a seek.
    pub(super) fn take_sought(&mut self, tp: &TopicPartition, lane: &dyn Lane) -> Option<Sought> {
        // One that was given back before it was opened, and comes again, begins elsewhere.
        self.requests.sought.remove(tp).filter(|sought| sought.next == lane.start())
    }
}

impl Sought {
    pub(super) fn is_forward(self) -> bool {
        self.is_forward
    }
}
