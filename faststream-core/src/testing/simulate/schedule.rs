//! One step of a run, drawn from its seed.
//!
//! Of 100 steps, 50 let records arrive, 40 inject a fault, 4 take an action, and 6 do nothing. Then time passes:
//! none after 30 of them, up to 1.5 s after 66, up to 20 s after 4. That leaves bursts, in which faults meet, and
//! pauses, in which timers run.
//!
//! A fault is announced to the checker before it happens (`unsettle`, `commits_disturbed`, `reads_broken`): it is
//! the only knowledge of faults that the model has.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::faults::Fault;
use super::run::Run;
use crate::broker::CommitClass;
use crate::memory::MemoryBroker;

/// The most instances of the app at a time.
const INSTANCES: usize = 3;
/// The most members of other processes at a time.
const EXTERNAL: usize = 2;
/// The most partitions that a topic gets by the fault `AddPartitions`.
const PARTITIONS: i32 = 6;
/// The time until a crashed member is removed, so that its partitions have no reader.
const SESSION: Duration = crate::memory::SESSION;

impl Run<'_> {
    /// Takes one step: records, a fault, an action or nothing; then time passes, with checks once a second.
    pub(super) async fn step(&mut self) {
        match self.random.below(100) {
            0..50 => self.records(),
            50..90 => self.fault().await,
            90..94 => self.act(),
            _ => {}
        }
        if self.fleet.running.is_empty() && self.random.chance(0.5) {
            self.start().await;
        }
        let pause = match self.random.below(100) {
            0..30 => Duration::ZERO,
            30..96 => self.random.duration(Duration::from_millis(1_500)),
            _ => self.random.duration(Duration::from_secs(20)),
        };
        // In pieces, so that a violation is noticed within a second.
        let until = Instant::now() + pause;
        sleep(pause.min(Duration::from_secs(1))).await;
        while Instant::now() < until && !self.is_broken() {
            self.check(&[]);
            sleep((until - Instant::now()).min(Duration::from_secs(1))).await;
        }
    }

    /// Lets 1 to 10 records arrive, each at a topic of the scenario. They are appended without faults.
    fn records(&mut self) {
        let step = self.world.step;
        let how_many = 1 + self.random.below(10);
        self.note("records", || format!("step {step}: {how_many} records come"));
        for _ in 0..how_many {
            if self.scenario.sources.is_empty() {
                return;
            }
            let (topic, make) = self.random.pick(&self.scenario.sources);
            self.made += 1;
            match make(&mut self.random, self.made) {
                Ok(record) => self.world.publish_record(record),
                Err(error) => panic!("record {} for {topic} cannot be encoded: {error}", self.made),
            }
        }
    }

    /// Takes one of the scenario's actions.
    fn act(&mut self) {
        if self.scenario.actions.is_empty() {
            return;
        }
        let (step, (name, act)) = (self.world.step, self.random.pick(&self.scenario.actions));
        self.note(name, || format!("step {step}: {name}"));
        act(&self.world);
    }

    /// Starts an instance. Partitions move because of it.
    async fn start(&mut self) {
        self.fleet.checker.model().unsettle(Duration::ZERO);
        self.fleet.start().await;
    }

    /// Injects one of the faults that are on, if it is possible now.
    async fn fault(&mut self) {
        let on = self.scenario.faults.all_on();
        if on.is_empty() {
            return;
        }
        let fault = *self.random.pick(&on);
        let is_done = match fault {
            Fault::Pauses => self.pause_or_resume().await,
            Fault::Seeks => self.seek().await,
            _ => self.inject(fault, &on).await,
        };
        if !is_done {
            return;
        }
        *self.injected.entry(fault).or_default() += 1;
    }

    /// Injects this fault. False if there is nothing to inject it into.
    ///
    /// It notifies the checker first:
    /// - A fault that moves partitions allows them to be without a reader for the drain time, a crash also for the
    ///   session.
    /// - A fault of commits pauses the checks of commits until the broker reports them undisturbed again. A
    ///   refused commit also allows 30 s without a reader, because a stale one costs the membership.
    /// - A broken client or task may take long to be replaced, so 120 s are allowed. Both faults therefore happen
    ///   in 3 of 10 draws only.
    async fn inject(&mut self, fault: Fault, on: &[Fault]) -> bool {
        let step = self.world.step;
        let instances = self.fleet.running.len();
        let instance = usize::try_from(self.random.below(instances as u64)).unwrap_or(0);
        let possible = match fault {
            Fault::Crash | Fault::Restart => instances > 0,
            Fault::Join => instances < INSTANCES,
            Fault::AddPartitions => self.can_grow(),
            Fault::BrokenReads | Fault::BrokenClient => self.random.chance(0.3),
            _ => true,
        };
        if !possible {
            return false;
        }
        let (group, broker) = self.target();
        let (times, drain) = (1 + u32::try_from(self.random.below(4)).unwrap_or(0), self.fleet.drain);
        let long = self.random.duration(Duration::from_secs(8));
        self.note((fault, times), || format!("step {step}: {fault:?}"));
        let model = || self.fleet.checker.model();
        match fault {
            Fault::Crash => {
                model().unsettle(SESSION + drain);
                self.fleet.crash(instance);
                if self.random.chance(0.5) {
                    self.start().await;
                }
            }
            Fault::Restart => {
                model().unsettle(drain);
                self.fleet.stop(instance);
                if self.random.chance(0.5) {
                    self.start().await;
                }
            }
            Fault::Join => {
                model().unsettle(drain);
                self.start().await;
            }
            Fault::ExternalMember => {
                model().unsettle(drain);
                self.external_member(&group, &broker);
            }
            Fault::Rebalance => {
                model().unsettle(drain);
                broker.rebalance(&group);
            }
            Fault::Lost => {
                model().unsettle(drain);
                broker.lose(&group);
            }
            Fault::AddPartitions => {
                model().unsettle(drain);
                self.add_partition();
            }
            Fault::CommitErrors => {
                model().commits_disturbed = true;
                model().unsettle(drain + Duration::from_secs(30));
                let classes = [CommitClass::Transient, CommitClass::Stale, CommitClass::Permanent];
                broker.fail_commits(*self.random.pick(&classes), times);
            }
            Fault::CommitDelays => {
                model().commits_disturbed = true;
                if self.random.chance(0.5) {
                    broker.delay_commits(long, times);
                } else {
                    broker.lose_commits(1);
                }
            }
            Fault::OffsetFetchErrors => {
                model().unsettle(Duration::from_secs(30));
                broker.fail_offset_fetch(times * 2);
            }
            Fault::PublishErrors => broker.fail_publishes(times),
            Fault::PublishRefusals => self.refuse_publishes(&broker, times),
            Fault::PublishDelays => self.delay_publishes(&broker, long / 4, times, on),
            Fault::Disconnect => {
                model().unsettle(long);
                self.fleet.offline_until = self.fleet.offline_until.max(Instant::now() + long);
                model().commits_disturbed = true;
                broker.disconnect(long);
            }
            Fault::BrokenReads => {
                model().unsettle(Duration::from_secs(120));
                model().reads_broken = true;
                broker.break_reads(times);
            }
            Fault::BrokenClient => {
                model().commits_disturbed = true;
                model().unsettle(Duration::from_secs(120));
                broker.fail_commits(CommitClass::Fatal, 1);
            }
            // What operators do is no fault.
            Fault::Pauses | Fault::Seeks => return false,
        }
        true
    }

    /// Returns a random group of the app, and the broker that it reads from.
    fn target(&mut self) -> (String, MemoryBroker) {
        let subscriber = self.random.pick(&self.world.subscribers);
        let name = subscriber.spec.broker.as_deref();
        let broker = self.world.broker_named(name);
        (subscriber.spec.group.to_string(), broker)
    }

    /// Lets a member of another process join the group, or the oldest one leave.
    fn external_member(&mut self, group: &str, broker: &MemoryBroker) {
        if self.external.len() >= EXTERNAL || (!self.external.is_empty() && self.random.chance(0.5)) {
            self.external.remove(0);
            return;
        }
        let read = self.world.subscribers.iter().filter(|subscriber| *subscriber.spec.group == *group);
        let topics = broker
            .topic_list()
            .into_keys()
            .filter(|topic| read.clone().any(|subscriber| subscriber.spec.reads(topic)));
        let topics: Vec<String> = topics.collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.external.push(broker.join_external(group, &topics));
    }

    /// Returns whether a topic may get another partition.
    fn can_grow(&self) -> bool {
        self.growing().next().is_some()
    }

    /// Adds a partition to one of the topics at which records arrive.
    fn add_partition(&mut self) {
        let growing: Vec<_> = self.growing().collect();
        let (topic, partitions) = self.random.pick(&growing);
        self.note(("partitions", topic, partitions), || format!("{topic} has {} partitions", partitions + 1));
        self.world.broker_of(topic).add_partitions(topic, partitions + 1);
    }

    /// Returns the topics that may get another partition, with the number that they have.
    fn growing(&self) -> impl Iterator<Item = (Arc<str>, i32)> {
        let known = |topic: &Arc<str>| {
            let partitions = self.world.broker_of(topic).topic_list().get(&**topic).copied()?;
            (partitions < PARTITIONS).then(|| (Arc::clone(topic), partitions))
        };
        self.scenario.sources.iter().filter_map(move |(topic, _)| known(topic))
    }

    /// Delays publishes, and sometimes injects refusals that hit them when they arrive: later copies are on their
    /// way then.
    fn delay_publishes(&mut self, broker: &MemoryBroker, duration: Duration, times: u32, on: &[Fault]) {
        broker.delay_publishes(duration);
        match self.random.below(4) {
            0 if on.contains(&Fault::PublishErrors) => broker.fail_publishes(times * 2),
            1 if on.contains(&Fault::PublishRefusals) => self.refuse_publishes(broker, times),
            _ => {}
        }
    }

    /// Makes the broker refuse publishes to one of the topics that the app writes: results, retry topics or dead
    /// letters.
    fn refuse_publishes(&mut self, broker: &MemoryBroker, times: u32) {
        let mut topics = Vec::new();
        for subscriber in &self.world.subscribers {
            topics.extend(subscriber.handler.publishes.iter().cloned());
            topics.extend(subscriber.spec.retry_topics.iter().map(|retry| Arc::clone(&retry.name)));
            for topic in broker.topic_list().into_keys().filter(|topic| subscriber.spec.reads(topic)) {
                topics.push(subscriber.dead_letter_topic(&topic));
            }
        }
        let topic = self.random.pick(&topics);
        broker.refuse_publishes_to(topic, times);
    }

    /// Adds an event to the timeline.
    pub(super) fn note(&self, what: impl std::hash::Hash, text: impl FnOnce() -> String) {
        self.fleet.checker.model().note(what, text);
    }
}
