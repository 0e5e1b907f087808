//! The control thread of one membership: it polls, answers rebalances, drives the member, and ends the client.
//!
//! It owns every assign, unassign and close. It never runs handlers and never waits for them. One turn of its loop:
//!
//! 1. Wait for an event of the client, a request of the member, or the clock, then poll the client. Its callbacks have
//!    recorded the events (`context.rs`); no callback decides anything.
//! 2. Take the recorded events: rebalances go to their queue (`rebalances.rs`), results of commits to the committer and
//!    the member, and a fatal error ends everything.
//! 3. Apply the steps that the queue of rebalances returns (`answers.rs`): open lanes, let the member drain them, end
//!    them, answer librdkafka.
//! 4. Let the member take its turn, apply its commands, and apply the steps that these allow: the member may have
//!    answered a revocation.
//! 5. Restart partitions that wait for it, unless a rebalance or a commit is in progress.
//! 6. Subscribe to topics that were found.
//! 7. Check the partitions: logs that began again, records that cannot be read, memory, recreated topics, stalls. Each
//!    check returns the work to do, and does not call back into the loop.
//! 8. Commit if it is time. Last, so that everything that the turn has finished is committed.
//! 9. Report problems to the member, and leave the group once it is time (`closing.rs`).
//!
//! A command of the member only changes a state, which a later point of the same turn or of the next one checks.
//! Nothing that is called from here calls the loop again. Otherwise a lane that died would be restarted in the middle
//! of the assignment whose event reported it.

use std::sync::Arc;
use std::time::Duration;

use faststream_core::TopicPartition;
use faststream_core::broker::{Event, GroupMember};
use faststream_core::log::caught;
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::alarm::Alarm;
use super::client::{ConsumerClient, destroy};
use super::closing::Closing;
use super::committer::{Committer, reports};
use super::context::ClientEvent;
use super::memory::MemoryBudget;
use super::partitions::Partitions;
use super::problems::Problems;
use super::rebalances::{Rebalances, Revoke};
use super::retention::Retention;
use super::stalls::StallWatch;
use super::subscription::Subscription;
use super::topic_ids::TopicIds;
use super::{corrupt, fetching, freeze};

/// How long a turn waits while work is in progress, and otherwise. Events and requests of the member end the wait.
///
/// The first is short, because some work has no event: the end of a search, the clock of a rebalance. The second
/// is the period of the checks that run by the clock (stalled partitions, problems).
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How many log lines and statistics are read in one turn. With `debug=cgrp` a rebalance writes dozens of lines,
/// and one poll reads one of them.
const EVENTS: usize = 64;

/// The state of the control thread. Nothing else owns any of it, and no field has a lock.
pub(super) struct Control {
    /// The client, shared with the lanes and the search threads.
    pub(super) client: Arc<ConsumerClient>,
    /// The runtime's side of the membership. It is called on this thread only, and never waits.
    pub(super) member: Box<dyn GroupMember>,
    /// The partitions of the assignment, each in one state.
    pub(super) partitions: Partitions,
    /// The rebalances that were not answered yet.
    pub(super) rebalances: Rebalances,
    /// Decides when a commit is sent.
    pub(super) committer: Committer,
    /// The ids of the topics, to notice recreated ones.
    pub(super) topic_ids: TopicIds,
    /// The progress of leaving the group, once the member requested it. From then on nothing is assigned,
    /// restarted or committed here.
    pub(super) closing: Option<Closing>,
    /// Topics that were found and not subscribed to yet.
    pub(super) subscription: Subscription,
    /// Offsets to commit again before they expire, and records that expired unread.
    retention: Retention,
    /// The limit of what all partitions together have fetched ahead.
    memory: MemoryBudget,
    /// When partitions that do not fetch were looked for.
    stalls: StallWatch,
    /// The problems that the member's health shows.
    pub(super) problems: Problems,
}

impl Control {
    /// Returns the state of a membership that begins, and starts the search for its topics.
    pub(super) fn new(
        client: Arc<ConsumerClient>,
        member: Box<dyn GroupMember>,
        committer: Committer,
        problems: Problems,
        memory: MemoryBudget,
    ) -> Self {
        let subscription = Subscription::new(&client);
        Self {
            client,
            member,
            partitions: Partitions::default(),
            rebalances: Rebalances::default(),
            committer,
            topic_ids: TopicIds::default(),
            closing: None,
            subscription,
            retention: Retention::default(),
            memory,
            stalls: StallWatch::default(),
            problems,
        }
    }

    /// Drives the member to its end, and ends the client whatever happens: an abandoned client would continue its
    /// heartbeats, and block its partitions for all members.
    ///
    /// A panic is caught, logged and treated like a crash. The member is dropped before it is finished, which the
    /// runtime treats as a crash of the membership, and it joins again with a new client.
    pub(super) fn run(mut self) {
        let mut alarm = Alarm::new(&self.client, self.member.wake());
        let driven = caught(|| self.drive(&mut alarm));
        drop(alarm);
        if driven.is_err() {
            let group = &self.client.context().group;
            faststream_core::log::error!(%group, "the control thread panicked: the client is replaced");
        }
        self.partitions.leave();
        self.answer_all();
        // The member first, because its lanes hold the client.
        drop(self.member);
        destroy(self.client);
    }

    /// Runs the turns, until the member is finished, its app crashes it on purpose, or the client has a fatal
    /// error. The order of the calls is explained at the top of the file.
    fn drive(&mut self, alarm: &mut Alarm) {
        let crash = self.member.crash_token();
        while !self.member.is_finished() && !crash.is_cancelled() {
            freeze::handle(&self.client, self.problems.wanted(), &self.partitions);
            alarm.wait(self.patience());
            self.poll();
            for _ in 0..EVENTS {
                if !alarm.has_events() || self.client.context().has_events() {
                    break;
                }
                self.poll();
            }
            self.handle_events();
            if self.handle_fatal() {
                break;
            }
            self.handle_rebalances();
            let commands = self.member.turn();
            self.apply(commands);
            self.handle_rebalances();
            self.apply_restarts();
            self.subscription.look();
            if self.closing.is_none() {
                self.subscription.apply(&self.client);
                self.look_after_partitions();
            }
            self.commit();
            if let Some(problems) = self.problems.look(&self.client, &self.partitions, self.committer.pause())
            {
                self.member.set_problems(problems);
            }
            self.handle_closed();
        }
    }

    /// Returns how long a turn may wait for events: 20 ms while anything is in progress, else until the next
    /// commit, the member's deadline or the next memory check, 1 s at most.
    fn patience(&self) -> Duration {
        let is_at_rest = self.rebalances.is_empty()
            && self.partitions.is_at_rest()
            && self.subscription.is_idle()
            && self.closing.is_none()
            && self.client.context().pulse.thawed().is_none()
            && !self.committer.is_busy()
            && !self.client.context().is_joining();
        if !is_at_rest {
            return WAITS.0;
        }
        let member = self.member.deadline().saturating_duration_since(tokio::time::Instant::now());
        let looks = self.memory.patience(self.partitions.count());
        self.committer.rest().min(member).min(looks).clamp(WAITS.0, WAITS.1)
    }

    /// Reports an event to the member, and applies the commands that it returns.
    pub(super) fn notify(&mut self, event: Event) {
        let commands = self.member.on(event);
        self.apply(commands);
    }

    /// Polls the client once, without waiting. Results other than events are rare, and none of them ends the loop.
    fn poll(&mut self) {
        match self.client.consumer().poll(Duration::ZERO) {
            None => {}
            Some(Ok(message)) => {
                // It belongs to a lane, which has not seen it: the partition is restarted there.
                let tp = TopicPartition::new(message.topic(), message.partition());
                let errors = &self.client.context().errors;
                errors.log("main queue", format_args!("{tp}: a message missed its lane"));
                self.partitions.mark_misrouted(&tp, message.offset());
            }
            Some(Err(error)) => self.log_poll(&error),
        }
    }

    /// Logs an error of the group, and keeps it as the reason why the client is not in the group. Errors of
    /// partitions go to their lanes.
    fn log_poll(&self, error: &KafkaError) {
        use Code::{AllBrokersDown, BrokerTransportFailure, Resolve, UnknownTopicOrPartition};
        let code = error.rdkafka_error_code();
        let is_logged = match code {
            // The client handles connections itself, and missing topics are searched for.
            Some(AllBrokersDown | BrokerTransportFailure | Resolve) => false,
            Some(UnknownTopicOrPartition) => self.subscription.is_complete(),
            _ => true,
        };
        if is_logged {
            let kind = code.map_or_else(|| error.to_string(), |code| format!("{code:?}"));
            self.client.context().errors.log(&kind, error);
            self.client.context().joining.refused(format!("{kind}: {error}"));
        }
    }

    /// Takes the events that the callbacks recorded. The result of a commit reaches the committer first, and then
    /// the member, which may be waiting for it.
    pub(super) fn handle_events(&mut self) {
        while let Some(event) = self.client.context().take() {
            match event {
                ClientEvent::OutOfRange(tp, at) => {
                    self.topic_ids.look_soon();
                    self.retention.out_of_range(&self.client, tp, at);
                }
                ClientEvent::Committed(committed) => {
                    self.committer.answered(&committed);
                    let reports = reports(&self.client, &self.partitions, committed);
                    if !reports.is_empty() {
                        self.notify(Event::Committed(reports));
                    }
                }
                ClientEvent::Assign(_) | ClientEvent::Revoke { .. } => self.record_rebalance(event),
            }
        }
    }

    /// Appends a rebalance to the queue. Other events are ignored.
    pub(super) fn record_rebalance(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Assign(partitions) => self.rebalances.assign(partitions),
            ClientEvent::Revoke { partitions, lost: false } => {
                self.rebalances.revoke(partitions, Revoke::Moved);
            }
            ClientEvent::Revoke { partitions, lost: true } => {
                self.committer.lost();
                self.rebalances.revoke(partitions, Revoke::Lost);
            }
            ClientEvent::Committed(_) | ClientEvent::OutOfRange(..) => {}
        }
    }

    /// Runs the checks of each turn, mostly not while a rebalance waits for its answer, because nothing is fetched
    /// then.
    ///
    /// The emptiness of the queue is checked again before each step, because a check may append a revocation of
    /// its own (a truncated log, a recreated topic), and the later ones must not touch those partitions.
    fn look_after_partitions(&mut self) {
        if self.rebalances.is_empty() {
            for (tp, start) in self.partitions.truncated(&self.client.context().group) {
                self.rebalances.revoke(vec![tp], Revoke::Truncated(start));
            }
        }
        if self.rebalances.is_empty() {
            corrupt::handle(&self.client, &mut self.partitions);
        }
        if self.rebalances.is_empty() && !self.client.context().awaits_answer() {
            let released = self.partitions.take_released();
            fetching::resume(&self.client, &self.partitions, &released);
            fetching::follow_member(&self.client, &mut self.partitions);
            self.memory.keep(&self.client, &mut self.partitions);
        }
        if self.rebalances.is_empty() {
            let remade = self.topic_ids.compare(&self.client, &self.partitions);
            if !remade.is_empty() {
                self.rebalances.revoke(remade, Revoke::Remade);
            }
        }
        for expired in self.retention.expired(&self.partitions) {
            self.notify(expired);
        }
        // Before the next commit: it checks nothing while one is in flight.
        if !self.committer.is_busy() {
            let is_asked = !self.rebalances.is_empty();
            let stalled = self.stalls.look(&self.client, &mut self.partitions, is_asked);
            self.restart(&stalled);
        }
    }

    /// Commits if a commit is due. Not while the client joins: the commit would wait as long as that request, and
    /// be refused. Not while the group is being left: librdkafka then commits the stored offsets itself.
    fn commit(&mut self) {
        let may_commit = || self.rebalances.may_commit(self.committer.is_wanted());
        let is_lost = || self.client.context().is_joining() || self.client.consumer().assignment_lost();
        if !self.committer.is_due() || self.closing.is_some() || !may_commit() || is_lost() {
            return;
        }
        self.retention.refresh_offsets(&self.client, &self.partitions);
        self.committer.commit(&self.client, &self.partitions);
    }
}
