//! Watches a run: keeps its own account of it, and holds the runtime to its promises at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::log_index::{Content, LogIndex, Origin};
use super::model::LaneModel;
use super::promise::{Promise, Violation};
use super::timeline::Timeline;
use crate::TopicPartition;
use crate::app::{CallBegin, CallReport, ManuallySettled, Observer};
use crate::broker::{Epoch, RevocationId};
use crate::memory::{BrokerEvent, BrokerObserver};
use crate::policy::GroupSettings;
use crate::result::Disposition;
use crate::subscriber::Subscriber;

/// What a stop takes beyond the drain time, when the broker is away.
const STOP: Duration = Duration::from_secs(12);

/// Watches one run.
#[derive(Debug)]
pub(super) struct Checker(Mutex<Model>);

/// All that is known about a run.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) began: Instant,
    pub(super) timeline: Timeline,
    pub(super) subscribers: Vec<Arc<Subscriber>>,
    pub(super) settings: BTreeMap<Arc<str>, Arc<GroupSettings>>,
    pub(super) log_index: LogIndex,
    pub(super) lanes: BTreeMap<Epoch, LaneModel>,
    /// Revocations without an answer.
    pub(super) pending_revocations: BTreeMap<RevocationId, PendingRevocation>,
    /// Records that are finished, or begun if their policy promises no more.
    pub(super) settled: BTreeSet<Origin>,
    /// Records whose handler was called, where once is all there may be.
    pub(super) begun_once: BTreeSet<Origin>,
    /// Steps through retry topics that a call may have led to, and when the first one did.
    pub(super) steps: BTreeMap<Content, Instant>,
    /// What the hooks of an assignment may take: its partitions wait for them.
    pub(super) hooks_take: Duration,
    /// Members that are no more.
    pub(super) gone: BTreeSet<u64>,
    /// Commits fail, are late or get lost, or did so until this moment.
    pub(super) commits_disturbed: bool,
    pub(super) disturbed_until: Instant,
    /// A task that reads was made to die.
    pub(super) reads_broken: bool,
    /// Until when nobody needs to read a partition.
    pub(super) unsettled_until: Instant,
    /// An app was asked to stop by a handler: until then its partitions need not begin anything.
    pub(super) stopping_until: Instant,
    /// Plain functions that run, by instance, assignment and offset.
    pub(super) plain: BTreeMap<(u64, Epoch, i64), Origin>,
    pub(super) violation: Option<Violation>,
    pub(super) calls: u64,
    pub(super) records: u64,
    /// What happened so far, for the order of copies.
    pub(super) happened: u64,
}

#[derive(Debug)]
pub(super) struct PendingRevocation {
    pub(super) member: u64,
    pub(super) lanes: Vec<Epoch>,
    pub(super) lost: bool,
    pub(super) until: Instant,
    pub(super) since: Instant,
}

impl Checker {
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
            plain: BTreeMap::new(),
            violation: None,
            calls: 0,
            records: 0,
            happened: 0,
        }))
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    pub(super) fn violated(&mut self, promise: Promise, message: String) {
        if self.violation.is_none() {
            self.timeline.mark(&message);
            self.violation = Some(Violation { promise, message });
        }
    }

    /// A handler asked its app to stop, or its policy did.
    fn stopped(&mut self) {
        let drain = self.subscribers.iter().map(|subscriber| subscriber.drain).max().unwrap_or_default();
        self.stopping_until = Instant::now() + drain + STOP;
    }

    pub(super) fn note(&mut self, what: impl std::hash::Hash, text: impl FnOnce() -> String) {
        self.timeline.note(self.began.elapsed(), what, text);
    }

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
            BrokerEvent::Crashed { member } => {
                self.note(("crashed", member), || format!("member {member} is gone without a word"));
                self.member_gone(member);
                // Its lanes end when the app hears of it, in the same moment.
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

/// One instance of the app, as its observer.
pub(super) struct Instance {
    pub(super) number: u64,
    pub(super) checker: Arc<Checker>,
}

impl Observer for Instance {
    fn begins(&self, begin: &CallBegin<'_>) {
        self.checker.model().begins(begin);
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
