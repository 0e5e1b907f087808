//! What operators do during a run: pauses, resumes and seeks; and what must hold then.
//!
//! A pause belongs to one instance of the app, as in production. The model checks from outside that no call begins there
//! from its return on until it is resumed, and that a partition goes on afterwards. A seek repeats or skips records: the
//! skipped ones count as settled, the repeated ones may be called once more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::checker::Model;
use super::promise::Promise;
use super::run::Run;
use crate::TopicPartition;
use crate::app::ControlError;
use crate::broker::{Epoch, SeekTo};
use crate::context::CallBegin;
use crate::memory::STARTED;

/// What a pause or resume may take, and a seek beyond the drain time.
const TAKES: Duration = Duration::from_secs(1);

/// A pause of one instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PauseModel {
    instance: u64,
    group: Arc<str>,
    /// All handlers of the group if `None`.
    handler: Option<Arc<str>>,
    /// All partitions if `None`.
    tp: Option<TopicPartition>,
}

impl PauseModel {
    /// What it is called by.
    fn name(&self) -> &Arc<str> {
        self.handler.as_ref().unwrap_or(&self.group)
    }
}

impl Run<'_> {
    /// Pauses something in one instance, or resumes it there. Returns false if there is nothing to pause.
    pub(super) async fn pause_or_resume(&mut self) -> bool {
        if self.fleet.running.is_empty() {
            return false;
        }
        let paused: Vec<PauseModel> = self.fleet.checker.model().paused.iter().cloned().collect();
        if !paused.is_empty() && self.random.chance(0.6) {
            let pause = self.random.pick(&paused).clone();
            self.resume(&pause).await;
            return true;
        }
        let index = usize::try_from(self.random.below(self.fleet.running.len() as u64)).unwrap_or(0);
        let subscriber = Arc::clone(self.random.pick(&self.world.subscribers));
        let lanes = self.fleet.checker.model().living(&subscriber.spec.group, &subscriber.handler.name);
        let pause = PauseModel {
            instance: self.fleet.running[index].number,
            group: Arc::clone(&subscriber.spec.group),
            handler: self.random.chance(0.7).then(|| Arc::clone(&subscriber.handler.name)),
            tp: if lanes.is_empty() || self.random.chance(0.5) {
                None
            } else {
                Some(self.random.pick(&lanes).clone())
            },
        };
        let name = Arc::clone(pause.name());
        self.note(("pause", &name, &pause.tp), || format!("pause of {pause:?}"));
        let app = self.fleet.running[index].app();
        let result = match pause.tp.clone() {
            None => timeout(TAKES, app.pause(&name)).await,
            Some(tp) => timeout(TAKES, app.pause_partition(&name, tp)).await,
        };
        if self.is_done("a pause", result) {
            self.fleet.checker.model().paused.insert(pause);
        }
        true
    }

    /// Ends all pauses.
    pub(super) async fn resume_all(&mut self) {
        let paused: Vec<PauseModel> = self.fleet.checker.model().paused.iter().cloned().collect();
        for pause in paused {
            self.resume(&pause).await;
        }
    }

    async fn resume(&mut self, pause: &PauseModel) {
        self.note(("resume", pause.name(), &pause.tp), || format!("resume of {pause:?}"));
        // From here on calls may begin.
        self.fleet.checker.model().paused.remove(pause);
        let Some(instance) = self.fleet.running.iter().find(|one| one.number == pause.instance) else {
            return;
        };
        let name = Arc::clone(pause.name());
        let result = match pause.tp.clone() {
            None => timeout(TAKES, instance.app().resume(&name)).await,
            Some(tp) => timeout(TAKES, instance.app().resume_partition(&name, tp)).await,
        };
        self.is_done("a resume", result);
    }

    /// Moves a partition somewhere else, by the instance that has it or another one. Returns false if none is read.
    pub(super) async fn seek(&mut self) -> bool {
        let is_away = Instant::now() < self.fleet.offline_until;
        if self.fleet.running.is_empty() || is_away {
            return false;
        }
        let index = usize::try_from(self.random.below(self.fleet.running.len() as u64)).unwrap_or(0);
        let subscriber = Arc::clone(self.random.pick(&self.world.subscribers));
        let (group, handler) = (Arc::clone(&subscriber.spec.group), Arc::clone(&subscriber.handler.name));
        let lanes = self.fleet.checker.model().living(&group, &handler);
        if lanes.is_empty() {
            return false;
        }
        let tp = self.random.pick(&lanes).clone();
        let end = self.fleet.checker.model().log_index.end(&tp);
        let most = u64::try_from(end).unwrap_or(0) + 1;
        let to = match self.random.below(8) {
            0 => SeekTo::Beginning,
            1 => SeekTo::End,
            2 => {
                let passed = self.random.duration(self.world.elapsed());
                SeekTo::Timestamp(STARTED + i64::try_from(passed.as_millis()).unwrap_or(0))
            }
            _ => SeekTo::Offset(i64::try_from(self.random.below(most)).unwrap_or(0)),
        };
        self.note(("seek", &handler, &tp, to.to_string()), || format!("seek of {handler} in {tp} to {to}"));
        let sought = self.fleet.checker.model().seek_begins(&group, &tp);
        let name = if self.random.chance(0.8) { &handler } else { &group };
        let app = self.fleet.running[index].app();
        let result = timeout(self.fleet.drain + TAKES, app.seek(name, tp, to)).await;
        if !self.is_done("a seek", result) {
            self.fleet.checker.model().seek_failed(sought);
        }
        true
    }

    /// Returns whether it had its effect. That it did not is right if the partition or the instance is not there.
    fn is_done<T, E>(&self, what: &str, result: Result<Result<T, ControlError>, E>) -> bool {
        let wrong = match result {
            Ok(Ok(_)) => return true,
            Ok(Err(ControlError::NotAssigned { .. } | ControlError::Moved { .. } | ControlError::Ended)) => {
                return false;
            }
            Ok(Err(error)) => format!("{what} failed: {error} ({error:?})"),
            Err(_) => format!("{what} had no result in time"),
        };
        self.fleet.checker.model().violated(Promise::Operated, wrong);
        false
    }
}

impl Model {
    /// The partitions that are read for a handler.
    fn living(&self, group: &str, handler: &str) -> Vec<TopicPartition> {
        let lanes = self.lanes.values().filter(|lane| !lane.over && !lane.revoked);
        let own = lanes.filter(|lane| *lane.group == *group && *lane.subscriber.handler.name == *handler);
        let mut all: Vec<TopicPartition> = own.map(|lane| lane.tp.clone()).collect();
        all.sort();
        all
    }

    /// A call begins in an instance: nothing there includes it that is paused.
    pub(super) fn check_paused(&mut self, instance: u64, begin: &CallBegin<'_>) {
        let Some(lane) = self.lanes.get(&begin.lane) else { return };
        let is_paused = |pause: &&PauseModel| {
            pause.instance == instance
                && pause.group == lane.group
                && pause.handler.as_ref().is_none_or(|handler| *handler == lane.subscriber.handler.name)
                && pause.tp.as_ref().is_none_or(|tp| *tp == lane.tp)
        };
        let Some(pause) = self.paused.iter().find(is_paused) else { return };
        let message = format!(
            "{}, offset {}, handler {}: attempt {} begins in instance {instance}, which has paused it: {pause:?}",
            lane.name(),
            begin.offset,
            begin.handler,
            begin.attempt
        );
        self.violated(Promise::Operated, message);
    }

    /// An instance is gone, its pauses with it.
    pub(super) fn forget_pauses(&mut self, instance: u64) {
        self.paused.retain(|pause| pause.instance != instance);
    }

    /// The member has paused a lane, or resumed it.
    pub(super) fn lane_paused(&mut self, lane: Epoch, is_paused: bool) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        (lane.paused, lane.stuck) = (is_paused, None);
        let number = lane.number;
        self.note(("lane paused", number, is_paused), || {
            format!("lane {number} is {}", if is_paused { "paused" } else { "resumed" })
        });
    }

    /// Somebody requests a seek of this partition: its lane begins nothing more, if it is there.
    fn seek_begins(&mut self, group: &str, tp: &TopicPartition) -> Option<Epoch> {
        let own = |lane: &super::model::LaneModel| !lane.over && *lane.group == *group && lane.tp == *tp;
        let (epoch, lane) = self.lanes.iter_mut().find(|(_, lane)| own(lane))?;
        lane.sought = true;
        Some(*epoch)
    }

    fn seek_failed(&mut self, lane: Option<Epoch>) {
        if let Some(lane) = lane.and_then(|lane| self.lanes.get_mut(&lane)) {
            (lane.sought, lane.stuck) = (false, None);
        }
    }

    /// A lane ended because of a seek: what it finished is committed. Its successor begins at `next`.
    pub(super) fn sought(&mut self, epoch: Epoch, next: i64) {
        self.check_given_back(epoch, false, Instant::now());
        let Some(lane) = self.lanes.get_mut(&epoch) else { return };
        (lane.over, lane.sought, lane.stuck) = (true, true, None);
        let (number, name, prefix) = (lane.number, lane.name(), lane.prefix);
        // Skipped on purpose.
        let skipped: Vec<_> = (prefix..next).map(|offset| lane.origin(offset)).collect();
        let from = lane.origin(next);
        self.settled.extend(skipped);
        self.begun_once.retain(|begun| {
            (&begun.group, &begun.handler, &begun.tp) != (&from.group, &from.handler, &from.tp)
                || begun.offset < from.offset
        });
        self.note(("sought", number, next), || format!("{name} goes on at {next}: lane {number} ends"));
    }
}
