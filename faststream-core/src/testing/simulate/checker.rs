//! Observes a run: keeps a model of it, and checks the promises at every event.
//!
//! The checker is the observer of every broker and of every instance. All of them call it on the simulation's
//! thread or on a thread that has the turn, often under the lock of a broker. So it takes its own lock last, calls
//! nobody, and only notes a violation: the run looks for it after each step.
//!
//! | event of the broker | change of the model | check |
//! | --- | --- | --- |
//! | `Assigned`, `Revoked`, `LaneEnded` | lanes, revocations that are due | |
//! | `Answered`, `Reopened` | lanes that ended | promises 4 and 10 |
//! | `Crashed`, `Left` | the member owes no answer | |
//! | `Stored`, `Committed` | the finished prefix, the brake | promise 1 and the guard |
//! | `Appended` | the log index | retry copies, the order of copies |
//! | `Refused` | the log index, if for good | |
//!
//! Calls of handlers come from the observers of the instances, see `calls`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::content::{Content, Origin};
use super::log_index::LogIndex;
use super::model::LaneModel;
use super::operations::PauseModel;
use super::promise::{Promise, Violation};
use super::timeline::Timeline;
use crate::TopicPartition;
use crate::broker::{Epoch, RevocationId};
use crate::context::{CallBegin, CallReport, ManuallySettled, Observer};
use crate::memory::{BrokerEvent, BrokerObserver};
use crate::policy::GroupSettings;
use crate::result::Disposition;
use crate::subscriber::Subscriber;

/// The time that a stop takes beyond the drain time while the broker is disconnected: more than the 10 s that a
/// client waits for an answer.
const STOP: Duration = Duration::from_secs(12);

/// Observes one run. Its lock protects the whole model.
#[derive(Debug)]
pub(super) struct Checker(Mutex<Model>);

/// Everything that is known about a run.
#[derive(Debug)]
pub(super) struct Model {
    /// When the run began, by tokio's clock.
    pub(super) began: Instant,
    /// The events of the run, as a hash and perhaps as lines.
    pub(super) timeline: Timeline,
    /// The subscribers of the app: the same in all instances.
    pub(super) subscribers: Vec<Arc<Subscriber>>,
    /// The settings of each group.
    pub(super) settings: BTreeMap<Arc<str>, Arc<GroupSettings>>,
    /// What is in the logs of all brokers.
    pub(super) log_index: LogIndex,
    /// The lanes of the run. One that ended stays, for late events.
    pub(super) lanes: BTreeMap<Epoch, LaneModel>,
    /// The revocations without an answer.
    pub(super) pending_revocations: BTreeMap<RevocationId, PendingRevocation>,
    /// The records that are finished, or that began if their policy promises no more (`AckFirst`, `Ack`). A record
    /// has to be here at the end.
    pub(super) settled: BTreeSet<Origin>,
    /// The records whose handler was called, for subscribers that call it once at most.
    pub(super) begun_once: BTreeSet<Origin>,
    /// The copies in retry topics that an ended call may lead to, and when the first such call ended.
    pub(super) steps: BTreeMap<Content, Instant>,
    /// The longest time that the hooks of an assignment may take: its partitions wait for them. Zero without such
    /// hooks.
    pub(super) hooks_take: Duration,
    /// The members that crashed or left.
    pub(super) gone: BTreeSet<u64>,
    /// Whether commits fail, are late or get lost at the moment. Checks of commits pause then.
    pub(super) commits_disturbed: bool,
    /// Until when commits were disturbed, if they are not now. Deadlines for commits count from here.
    pub(super) disturbed_until: Instant,
    /// Whether the run made a lane's task die, so that the death of a task is no violation.
    pub(super) reads_broken: bool,
    /// Until when a partition may be without a reader, because of a fault or a start.
    pub(super) unsettled_until: Instant,
    /// Until when the partitions of an app that a handler stopped need not begin anything.
    pub(super) stopping_until: Instant,
    /// What is paused.
    pub(super) paused: BTreeSet<PauseModel>,
    /// The plain functions that run, by instance, lane and record offset.
    pub(super) plain: BTreeMap<(u64, Epoch, i64), Origin>,
    /// The first promise that was broken. Later ones are consequences, so they are not kept.
    pub(super) violation: Option<Violation>,
    /// How many calls of handlers began.
    pub(super) calls: u64,
    /// How many records were appended, results and dead letters included.
    pub(super) records: u64,
    /// The number of the last event, for the order of copies.
    pub(super) happened: u64,
}

/// A revocation that waits for its answer.
#[derive(Debug)]
pub(super) struct PendingRevocation {
    /// The member that has to answer.
    pub(super) member: u64,
    /// The lanes that it releases.
    pub(super) lanes: Vec<Epoch>,
    /// Whether the membership is lost.
    pub(super) lost: bool,
    /// When the answer is due.
    pub(super) until: Instant,
    /// When the member was asked.
    pub(super) since: Instant,
}

impl Checker {
    /// Returns a checker of a run that begins now. `keep_timeline` keeps the lines of the timeline, not only their
    /// hash.
    pub(super) fn new(keep_timeline: bool) -> Self {
        let now = Instant::now();
        Self(Mutex::new(Model {
            began: now,
            timeline: Timeline::new(keep_timeline),
            subscribers: Vec::new(),
            settings: BTreeMap::new(),
            log_index: LogIndex::default(),
            lanes: BTreeMap::new(),
            pending_revocations: BTreeMap::new(),
            settled: BTreeSet::new(),
            begun_once: BTreeSet::new(),
            steps: BTreeMap::new(),
            hooks_take: Duration::ZERO,
            gone: BTreeSet::new(),
            commits_disturbed: false,
            disturbed_until: now,
            reads_broken: false,
            unsettled_until: now,
            stopping_until: now,
            paused: BTreeSet::new(),
            plain: BTreeMap::new(),
            violation: None,
            calls: 0,
            records: 0,
            happened: 0,
        }))
    }

    /// Locks the model. A panic under the lock does not matter: the violation is in it already.
    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Notes the first violation, and marks it in the timeline.
    pub(super) fn violated(&mut self, promise: Promise, message: String) {
        if self.violation.is_none() {
            self.timeline.mark(&message);
            self.violation = Some(Violation { promise, message });
        }
    }

    /// Notes that a handler or a policy stopped the app: nothing has to begin until the stop is over.
    fn stopped(&mut self) {
        let drain = self.subscribers.iter().map(|subscriber| subscriber.spec.drain).max().unwrap_or_default();
        self.stopping_until = Instant::now() + drain + STOP;
    }

    /// Adds an event to the timeline. `what` counts for the hash; `text` is built only if lines are kept.
    pub(super) fn note(&mut self, what: impl std::hash::Hash, text: impl FnOnce() -> String) {
        self.timeline.note(self.began.elapsed(), what, text);
    }

    /// Updates the model with an event of a broker, and checks what can be checked at once.
    fn seen(&mut self, event: &BrokerEvent<'_>) {
        match *event {
            BrokerEvent::Assigned { group, member, lane, topic, partition, start } => {
                self.assigned(group, member, lane, &TopicPartition::new(topic, partition), start);
            }
            BrokerEvent::Revoked { member, revocation, lanes, lost } => {
                self.revoked(member, revocation, lanes, lost);
            }
            BrokerEvent::Answered { member, revocation } => self.answered(member, revocation),
            BrokerEvent::LaneEnded { lane } => self.lane_ended(lane),
            BrokerEvent::Reopened { lane } => self.reopened(lane),
            BrokerEvent::Paused { lane } => self.lane_paused(lane, true),
            BrokerEvent::Resumed { lane } => self.lane_paused(lane, false),
            BrokerEvent::Sought { lane, next } => self.sought(lane, next),
            BrokerEvent::Crashed { member } => {
                self.note(("crashed", member), || format!("member {member} is gone without a word"));
                self.member_gone(member);
                // Its lanes end when the app is notified, in the same moment.
            }
            BrokerEvent::Left { member } => {
                self.note(("left", member), || format!("member {member} leaves"));
                self.member_gone(member);
            }
            BrokerEvent::Stored { lane, next } => self.stored(lane, next),
            BrokerEvent::Committed { lane, next, refused } => {
                self.committed(lane, next, refused.map(ToString::to_string));
            }
            BrokerEvent::Appended { partition, offset, record } => {
                self.log_index.appended(partition, offset, record);
                self.records += 1;
                self.note(("appended", &record.topic, partition, offset), || {
                    let key = record.key.as_deref().map(String::from_utf8_lossy);
                    let key = key.map_or_else(String::new, |key| format!(", key {key}"));
                    format!("{}/{partition} has a record at {offset}{key}", record.topic)
                });
                self.reached_retry_topic(record);
                self.copy_came(record);
            }
            BrokerEvent::Refused { record, error } => {
                self.copy_refused(record);
                if error.kind == crate::broker::PublishErrorKind::Permanent {
                    self.log_index.refused(record);
                }
                self.note(("refused", &record.topic), || {
                    format!("publish refused, {:?}: {error}", error.kind)
                });
            }
        }
    }
}

impl BrokerObserver for Checker {
    fn seen(&self, event: &BrokerEvent<'_>) {
        self.model().seen(event);
    }
}

/// The observer of one instance of the app.
pub(super) struct Instance {
    /// The number of the instance, from 1.
    pub(super) number: u64,
    /// The checker of the run.
    pub(super) checker: Arc<Checker>,
}

impl Observer for Instance {
    fn begins(&self, begin: &CallBegin<'_>) {
        let mut model = self.checker.model();
        model.check_paused(self.number, begin);
        model.begins(begin);
    }

    fn plain_begins(&self, begin: &CallBegin<'_>) {
        self.checker.model().plain_begins(self.number, begin);
    }

    fn plain_ended(&self, begin: &CallBegin<'_>) {
        self.checker.model().plain_ended(self.number, begin);
    }

    fn called(&self, report: &CallReport<'_>) {
        self.checker.model().called(report);
    }

    fn manually_settled(&self, settled: &ManuallySettled<'_>) {
        self.checker.model().manually_settled(settled);
    }

    fn settled(&self, handler: &str, topic: &str, partition: i32, offset: i64, disposition: Disposition) {
        let mut model = self.checker.model();
        model.note((disposition.name(), topic, partition, offset), || {
            format!("{topic}/{partition} offset {offset} of {handler}: {disposition}")
        });
        if disposition == Disposition::Stopped {
            model.stopped();
        }
    }
}
