//! The control thread of one membership: it polls, answers rebalances, drives the member, and ends the client.
//!
//! It owns every assign, unassign and close. It never runs handlers and never waits for them.

use faststream_core::TopicPartition;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use faststream_core::broker::{Command, CommitReport, Epoch, Event, GroupMember, GroupRequest, RevocationId};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::alarm::Alarm;
use super::assignment::{self, StartAt};
use super::classify::{classify, cure, remedy};
use super::client::{ConsumerClient, destroy};
use super::closing::Closing;
use super::committer::Committer;
use super::context::{ClientEvent, Committed};
use super::corrupt::CorruptPartitions;
use super::lane::LaneHandle;
use super::memory::Ahead;
use super::offsets::{OffsetFetch, Starts};
use super::problems::Problems;
use super::rebalances::{Rebalance, Revoke};
use super::retention::Retention;
use super::stalls::StallWatch;
use super::subscription::Subscription;
use super::topic_ids::TopicIds;
use super::topics;
use crate::native::{PartitionQueue, commit, fatal_error};

/// How long a turn waits while something is under way, and when nothing is. Events and what the member asks for end it.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Log lines and statistics that are read in one turn.
const EVENTS: usize = 64;

pub(super) struct Control {
    pub(super) client: Arc<ConsumerClient>,
    pub(super) request: Arc<GroupRequest>,
    pub(super) member: Box<dyn GroupMember>,
    pub(super) rebalances: VecDeque<Rebalance>,
    pub(super) lanes: BTreeMap<TopicPartition, Arc<LaneHandle>>,
    /// Those of a group that is being left: their last commit is still reported.
    pub(super) left: BTreeMap<TopicPartition, Arc<LaneHandle>>,
    /// Assigned, and without a lane until their offsets are known.
    pub(super) opening: BTreeMap<TopicPartition, PartitionQueue>,
    pub(super) pending_fetches: Vec<OffsetFetch>,
    /// Messages that missed their lanes: fetching begins again there.
    pub(super) misrouted: BTreeMap<TopicPartition, i64>,
    /// To be begun again once no rebalance waits for its answer.
    pub(super) restarts: Starts,
    pub(super) revocations: u64,
    pub(super) watch: StallWatch,
    pub(super) corrupt: CorruptPartitions,
    pub(super) topic_ids: TopicIds,
    pub(super) retention: Retention,
    pub(super) ahead: Ahead,
    /// The topics to subscribe to, whenever they change.
    topics: Receiver<BTreeSet<String>>,
    /// Nobody looks for them any more.
    topics_are_all_there: bool,
    subscription: Subscription,
    pub(super) committer: Committer,
    pub(super) closing: Option<Closing>,
    /// The client is beyond repair.
    broken: bool,
    pub(super) problems: Problems,
    /// Since when it is not known, after a freeze, which partitions are still its own.
    pub(super) thawed: Option<Instant>,
    /// Asks how long the broker waits for a silent member.
    session: Box<dyn Fn() -> Duration + Send>,
}

impl Control {
    pub(super) fn new(
        client: Arc<ConsumerClient>,
        request: Arc<GroupRequest>,
        member: Box<dyn GroupMember>,
        committer: Committer,
        session: Box<dyn Fn() -> Duration + Send>,
        problems: Problems,
        ahead: Ahead,
    ) -> Self {
        let topics = topics::watch(&client, &request);
        Self {
            client,
            request,
            member,
            rebalances: VecDeque::new(),
            lanes: BTreeMap::new(),
            left: BTreeMap::new(),
            opening: BTreeMap::new(),
            pending_fetches: Vec::new(),
            misrouted: BTreeMap::new(),
            restarts: Starts::new(),
            revocations: 0,
            watch: StallWatch::default(),
            corrupt: CorruptPartitions::default(),
            topic_ids: TopicIds::default(),
            retention: Retention::default(),
            ahead,
            topics,
            topics_are_all_there: false,
            subscription: Subscription::default(),
            committer,
            closing: None,
            broken: false,
            session,
            problems,
            thawed: None,
        }
    }

    /// Drives the member to its end, and ends the client whatever happens: a client that nobody serves would go on to
    /// heartbeat, and keep its partitions from everybody.
    pub(super) fn run(mut self) {
        let mut alarm = Alarm::new(&self.client, self.member.wake());
        let driven = catch_unwind(AssertUnwindSafe(|| self.drive(&mut alarm)));
        drop(alarm);
        if driven.is_err() {
            faststream_core::log::error!(group = %self.request.group, "the control thread panicked: the client is replaced");
        }
        self.fence_all();
        self.answer_all();
        // The member first: its lanes hold the client.
        drop(self.member);
        destroy(self.client);
    }

    fn drive(&mut self, alarm: &mut Alarm) {
        let crash = self.member.crash_token();
        while !self.member.is_finished() && !crash.is_cancelled() {
            self.handle_freeze();
            alarm.wait(self.patience());
            self.poll();
            for _ in 0..EVENTS {
                if !alarm.has_events() || self.client.context().has_events() {
                    break;
                }
                self.poll();
            }
            self.handle_callbacks();
            self.handle_fatal();
            if self.broken {
                break;
            }
            self.handle_rebalances();
            self.apply_restarts();
            let commands = self.member.turn();
            self.apply(commands);
            self.handle_rebalances();
            self.handle_topics();
            if self.closing.is_none() {
                self.handle_truncated();
                self.handle_corrupt();
                self.bound_memory();
                self.compare_topics();
                self.report_expired();
                // Before the next commit: while one is in flight it looks at nothing.
                self.watch();
            }
            self.commit();
            self.handle_problems();
            self.handle_closed();
        }
    }

    /// How long a turn may wait for events.
    fn patience(&self) -> Duration {
        let is_at_rest = self.rebalances.is_empty()
            && self.pending_fetches.is_empty()
            && self.opening.is_empty()
            && self.misrouted.is_empty()
            && self.corrupt.is_empty()
            && self.restarts.is_empty()
            && self.subscription.is_idle()
            && self.closing.is_none()
            && self.thawed.is_none()
            && !self.lanes.is_empty()
            && !self.committer.is_busy()
            && !self.client.context().is_joining();
        if !is_at_rest {
            return WAITS.0;
        }
        let member = self.member.deadline().saturating_duration_since(tokio::time::Instant::now());
        let looks = self.ahead.patience(self.lanes.len());
        self.committer.rest().min(member).min(looks).clamp(WAITS.0, WAITS.1)
    }

    /// Tells the member, and does what it asks for.
    pub(super) fn notify(&mut self, event: Event) {
        let commands = self.member.on(event);
        self.apply(commands);
    }

    fn apply(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Answer(id) => self.mark_answered(id),
                Command::CommitNow => self.committer.want(),
                Command::Reopen(lane) => self.reopen(lane),
                Command::Close => self.close(),
            }
        }
    }

    fn mark_answered(&mut self, id: RevocationId) {
        for rebalance in &mut self.rebalances {
            if let Rebalance::Revoke { id: Some(asked), answered, .. } = rebalance
                && *asked == id
            {
                *answered = Some(Instant::now());
            }
        }
    }

    /// Results other than events are rare, and none of them ends the loop.
    fn poll(&mut self) {
        let restart = match self.client.consumer().poll(Duration::ZERO) {
            None => None,
            Some(Ok(message)) => {
                Some((TopicPartition::new(message.topic(), message.partition()), message.offset()))
            }
            Some(Err(error)) => {
                let kind =
                    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| format!("{code:?}"));
                if self.is_to_be_logged(error.rdkafka_error_code()) {
                    self.client.context().errors.log(&kind, &error);
                    // Errors of partitions come to their lanes: these are the group's.
                    self.client.context().joining.refused(format!("{kind}: {error}"));
                }
                None
            }
        };
        if let Some((tp, offset)) = restart {
            // It belongs to a lane, which has not seen it: the partition begins again there.
            let errors = &self.client.context().errors;
            errors.log("main queue", format_args!("{tp}: a message missed its lane"));
            if let Some(lane) = self.lanes.get(&tp) {
                lane.mark_drifted();
            }
            let misrouted = self.misrouted.entry(tp).or_insert(offset);
            *misrouted = offset.min(*misrouted);
        }
    }

    /// Whether nobody else tells it: connections are the client's own, and missing topics are watched for.
    fn is_to_be_logged(&self, code: Option<Code>) -> bool {
        use Code::{AllBrokersDown, BrokerTransportFailure, Resolve, UnknownTopicOrPartition};
        match code {
            Some(AllBrokersDown | BrokerTransportFailure | Resolve) => false,
            Some(UnknownTopicOrPartition) => self.topics_are_all_there,
            _ => true,
        }
    }

    pub(super) fn handle_callbacks(&mut self) {
        while let Some(events) = self.client.context().take() {
            match events {
                ClientEvent::Assign(partitions) => {
                    self.rebalances.push_back(Rebalance::Assign { partitions, fetch: None });
                }
                ClientEvent::Revoke { partitions, lost } => {
                    let kind = if lost { Revoke::Lost } else { Revoke::Moved };
                    if lost {
                        self.committer.lost();
                    }
                    self.rebalances.push_back(Rebalance::Revoke {
                        partitions,
                        kind,
                        id: None,
                        answered: None,
                    });
                }
                ClientEvent::OutOfRange(tp, at) => self.out_of_range(tp, at),
                ClientEvent::Committed(committed) => {
                    self.committer.answered(&committed);
                    let reports = self.reports(committed);
                    if !reports.is_empty() {
                        self.notify(Event::Committed(reports));
                    }
                }
            }
        }
    }

    fn reports(&self, committed: Vec<Committed>) -> Vec<CommitReport> {
        let report = |Committed { tp, next, error }| {
            let lane = self.lanes.get(&tp).or_else(|| self.left.get(&tp))?;
            if error == Some(Code::OffsetMetadataTooLarge) {
                self.client.context().refuse_notes();
            }
            let result = error.map_or(Ok(()), |code| Err(classify(code)));
            if result.is_ok() {
                lane.committed(next);
            }
            // Of a log that is no more.
            if next > lane.stored() {
                return None;
            }
            Some(CommitReport { lane: lane.epoch, next, result })
        };
        committed.into_iter().filter_map(report).collect()
    }

    /// Fetching does not stop by itself after a fatal error: everything ends here, at once.
    fn handle_fatal(&mut self) {
        if self.closing.is_some() {
            return;
        }
        let Some((code, reason)) = fatal_error(&self.client) else { return };
        self.broken = true;
        self.committer.lost();
        self.fence_all();
        let code: Code = code.into();
        let message = format!("{code:?}: {reason}{}", cure(code));
        self.notify(Event::Fatal { message, remedy: remedy(code, &*self.session) });
        self.notify(Event::Closed);
    }

    fn handle_topics(&mut self) {
        match self.topics.try_recv() {
            Ok(topics) => self.subscription.wants(topics, Instant::now()),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.topics_are_all_there = true,
        }
        if self.closing.is_some() {
            return;
        }
        let (client, group) = (&self.client, &self.request.group);
        let subscribed = self.subscription.apply(Instant::now(), |names| {
            faststream_core::log::info!(%group, topics = names.len(), "the topics that match have changed");
            client.consumer().subscribe(names).map_err(|error| format!("{names:?}, tried again: {error}"))
        });
        if let Err(error) = subscribed {
            client.context().errors.log("subscribe", format_args!("subscribing to {error}"));
        }
    }

    /// Not while the client joins: behind that request, a commit would wait as long, and be refused. While a revocation waits
    /// for calls that wait for their commit, it is sent.
    fn commit(&mut self) {
        let may_commit = || match self.rebalances.front() {
            None => true,
            Some(Rebalance::Revoke { kind: Revoke::Moved, id: Some(_), answered: None, .. }) => {
                self.committer.is_wanted()
            }
            Some(_) => false,
        };
        let is_lost = || self.client.context().is_joining() || self.client.consumer().assignment_lost();
        if !self.committer.is_due() || self.closing.is_some() || !may_commit() || is_lost() {
            return;
        }
        self.refresh_offsets();
        // Not left to librdkafka, which commits no offset that is lower than one before.
        let dirty = self.lanes.values().filter_map(|lane| Some((lane.tp.clone(), Some(lane.uncommitted()?))));
        let dirty: Vec<StartAt> = dirty.collect();
        if dirty.is_empty() {
            return self.committer.nothing();
        }
        self.committer.sent(&dirty);
        let list = assignment::list(&dirty).map_err(|error| error.to_string());
        if let Ok(list) = &list {
            for (element, (tp, _)) in list.elements().iter_mut().zip(&dirty) {
                if let Some(note) = self.lanes.get(tp).and_then(|lane| lane.note(&self.client)) {
                    element.set_metadata(note);
                }
            }
        }
        if let Err(error) =
            list.and_then(|list| commit(&self.client, &list).map_err(|code| format!("{code:?}")))
        {
            self.committer.failed();
            self.client.context().errors.log("commit", format_args!("committing: {error}"));
        }
    }

    /// A lane's task died: its partition begins again where it is finished.
    fn reopen(&mut self, epoch: Epoch) {
        let Some(lane) = self.lanes.values().find(|lane| lane.epoch == epoch).cloned() else { return };
        drop(lane.fence());
        self.lanes.remove(&lane.tp);
        self.restarts.insert(lane.tp.clone(), lane.replay());
        self.apply_restarts();
    }

    pub(super) fn fence_all(&mut self) {
        for lane in std::mem::take(&mut self.lanes).into_values() {
            drop(lane.fence());
        }
        self.opening.clear();
    }
}
