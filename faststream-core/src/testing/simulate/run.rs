//! One seed, one run: the same seed gives the same run.
//!
//! A run has three phases, all in virtual time on a runtime of its own:
//! 1. Begin: the factory builds the app once to read its plan, topics are created, and one instance starts.
//! 2. Steps: each is drawn from the seed (`schedule`). After it the invariants and the checks of the scenario run.
//!    The first violation ends the phase and the run.
//! 3. End: faults are off, and time passes until held records, memberships and late acks must have settled. Then
//!    the instances stop, and everything must be finished and committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::checker::Checker;
use super::faults::Fault;
use super::fleet::{Factory, Fleet, STARTS};
use super::invariants::{Committed, Situation};
use super::promise::Promise;
use super::random::{Random, Scope, heal};
use super::scenario::Scenario;
use super::world::World;
use crate::TopicPartition;
use crate::memory::{ExternalMember, MemoryBroker};

/// What waits longer than this, a day of virtual time, never ends.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// A pause of the end. It is longer than a session (6 s), and than a held record waits for its next attempt (30
/// s).
const CALM: Duration = Duration::from_secs(31);
/// How often the end looks whether acks that handlers keep are settled. Such an ack counts as idle, so nothing
/// wakes the run for it.
const ACKS: Duration = Duration::from_secs(600);
/// How many attempts the end leaves to a held record. It may be held because of a fault, or for good.
const CHANCES: u32 = 4;

/// One run in progress.
pub(super) struct Run<'f> {
    /// The scenario, the same for all seeds.
    pub(super) scenario: &'f Scenario,
    /// The instances of the app.
    pub(super) fleet: Fleet<'f>,
    /// The view of the scenario's checks and actions.
    pub(super) world: World,
    /// The random numbers of the schedule. Handlers have others, so that a handler that draws more does not change
    /// the schedule.
    pub(super) random: Random,
    /// The members of other processes that joined. Dropping one makes it leave.
    pub(super) external: Vec<ExternalMember>,
    /// How often each fault was injected.
    pub(super) injected: BTreeMap<Fault, u64>,
    /// The number of records that the scenario made so far.
    pub(super) made: u64,
}

/// The result of a run. A violation is in its checker.
#[derive(Debug)]
pub(super) struct Finished {
    /// The model of the run, with the violation and the timeline.
    pub(super) checker: Arc<Checker>,
    /// How many steps were taken.
    pub(super) steps: u64,
    /// How much virtual time passed.
    pub(super) virtual_time: Duration,
    /// How often each fault was injected.
    pub(super) injected: BTreeMap<Fault, u64>,
}

/// Runs one seed on a runtime of its own, in virtual time.
///
/// `watched` gets the checker before anything happens: if a check panics, that is all that is left of the run.
/// `keep_timeline` keeps lines and not only their hash.
///
/// # Panics
/// If a check or an action of the scenario does, or if the app has faults.
pub(super) fn run(
    seed: u64,
    factory: &Factory<'_>,
    scenario: &Scenario,
    watched: impl FnOnce(Arc<Checker>),
    keep_timeline: bool,
) -> Finished {
    let _scope = Scope::enter(seed);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime for the seed");
    runtime.block_on(async {
        let checker = Arc::new(Checker::new(keep_timeline));
        watched(Arc::clone(&checker));
        let mut run = Run::begin(seed, factory, scenario, Arc::clone(&checker)).await;
        let began = Instant::now();
        let mut steps = 0;
        while steps < scenario.steps && !run.is_broken() {
            steps += 1;
            run.world.step = steps;
            run.step().await;
            run.check(&scenario.checks);
        }
        if !run.is_broken() {
            run.end().await;
        }
        checker.model().timeline.end();
        Finished { checker, steps: steps.into(), virtual_time: began.elapsed(), injected: run.injected }
    })
}

impl<'f> Run<'f> {
    /// Reads the plan of the app, creates the topics, and starts one instance. A topic that records arrive at has
    /// 1 to 4 partitions, drawn from the seed, unless the scenario sets a number.
    async fn begin(
        seed: u64,
        factory: &'f Factory<'f>,
        scenario: &'f Scenario,
        checker: Arc<Checker>,
    ) -> Self {
        let mut fleet = Fleet::new(factory, seed, Arc::clone(&checker));
        // This plan is only read: its topics, policies and settings.
        let plan = fleet.plan().await;
        {
            let mut model = checker.model();
            model.subscribers = plan.subscribers().to_vec();
            model.settings = plan.group_settings();
            model.hooks_take = plan.hooks_take();
        }
        fleet.drain =
            plan.subscribers().iter().map(|subscriber| subscriber.spec.drain).max().unwrap_or_default();
        let world = World {
            seed,
            began: Instant::now(),
            brokers: Arc::clone(&fleet.brokers),
            subscribers: plan.subscribers().to_vec(),
            held: Vec::new(),
            instances: 0,
            step: 0,
        };
        let mut random = Random::of(seed);
        for (topic, _) in &scenario.sources {
            let given = scenario.partitions.iter().find(|(name, _)| **name == **topic);
            let partitions =
                given.map_or_else(|| 1 + i32::try_from(random.below(4)).unwrap_or(0), |(_, given)| *given);
            world.broker_of(topic).create_topic(topic, partitions);
        }
        for (topic, partitions) in &scenario.partitions {
            world.broker_of(topic).create_topic(topic, *partitions);
        }
        fleet.start().await;
        let (external, injected) = (Vec::new(), BTreeMap::new());
        Self { scenario, fleet, world, random, external, injected, made: 0 }
    }

    /// Returns whether a promise was broken, so that the run ends.
    pub(super) fn is_broken(&self) -> bool {
        self.fleet.checker.model().violation.is_some()
    }

    /// Checks what must hold at this moment: the invariants, then `checks` of the scenario.
    pub(super) fn check(&mut self, checks: &[super::scenario::Look]) {
        self.fleet.look();
        self.world.held = self.fleet.held();
        self.world.instances = self.fleet.running.len();
        let external = self.external.iter().flat_map(ExternalMember::partitions);
        let situation = Situation {
            running: self.fleet.running.len(),
            leaving: self.fleet.leaving(),
            offline_until: self.fleet.offline_until,
            commits_disturbed: self.world.all_brokers().iter().any(MemoryBroker::are_commits_disturbed),
            external: external.collect(),
        };
        self.fleet.checker.model().check_invariants(&situation);
        if !self.is_broken() {
            for check in checks {
                check(&self.world);
            }
        }
    }

    /// Ends the run. Faults are off: everything must settle, and nothing may be missing.
    ///
    /// The order matters: first time for everything that was injected before, then a running instance, then the
    /// held records and the acks, then a clean stop of all instances, whose commits the last check reads.
    async fn end(&mut self) {
        heal();
        let checker = Arc::clone(&self.fleet.checker);
        self.external.clear();
        self.world.all_brokers().iter().for_each(MemoryBroker::heal);
        self.resume_all().await;
        checker.model().note("calm", || "faults are off from here on".into());
        // Time for what is delayed already, for a session to expire, and for a client to be replaced.
        sleep(CALM + CALM).await;
        self.fleet.look();
        self.fleet.offline_until = Instant::now();
        if self.fleet.running.is_empty() || self.fleet.not_started.is_some() {
            self.fleet.start().await;
        }
        if let Some(error) = &self.fleet.not_started {
            let message =
                format!("{STARTS} starts in a row failed with faults off, the last one because {error}");
            checker.model().violated(Promise::Starts, message);
            return;
        }
        checker.model().unsettled_until = Instant::now() + Duration::from_secs(6) + self.fleet.drain;
        for _ in 0..CHANCES {
            self.settle().await;
            if self.is_broken() || self.fleet.held().is_empty() {
                break;
            }
            sleep(CALM).await;
        }
        // An `Ack` that a handler keeps for over an hour counts as idle, and may still be settled.
        let until = Instant::now() + NEVER;
        while checker.model().are_acks_out() && Instant::now() < until && !self.is_broken() {
            sleep(ACKS).await;
            self.settle().await;
        }
        sleep(Duration::from_secs(3)).await;
        self.check(&self.scenario.checks.clone());
        let held = self.held();
        while !self.fleet.running.is_empty() {
            self.fleet.stop(0);
        }
        self.fleet.left().await;
        if self.is_broken() {
            return;
        }
        let committed = self.committed();
        checker.model().check_end(&committed, &held);
        if !self.is_broken() {
            for check in &self.scenario.checks_at_end {
                check(&self.world);
            }
        }
    }

    /// Waits until everything has settled. A run that does not settle within a day has lost something.
    async fn settle(&mut self) {
        let brokers = self.world.all_brokers();
        let settled = self.fleet.idle.wait(|| brokers.iter().any(MemoryBroker::has_unseen));
        if timeout(NEVER, settled).await.is_err() {
            let text = "with faults off, not everything settled within a day: a call or an `Ack` never ends";
            self.fleet.checker.model().violated(Promise::NothingLost, text.into());
        }
    }

    /// Returns the next offset that each group committed in each partition that it reads, on all brokers.
    fn committed(&self) -> Committed {
        let mut all = Committed::new();
        for subscriber in &self.world.subscribers {
            for broker in self.world.all_brokers() {
                for topic in broker.topic_list().into_keys().filter(|topic| subscriber.spec.reads(topic)) {
                    for (partition, next) in broker.committed(&subscriber.spec.group, &topic) {
                        all.insert(
                            (
                                Arc::clone(&subscriber.spec.group),
                                TopicPartition::new(topic.as_str(), partition),
                            ),
                            next,
                        );
                    }
                }
            }
        }
        all
    }

    /// Returns the first held record of each partition, as a record offset: the committed offset may reach it, but
    /// not pass it.
    fn held(&self) -> Committed {
        let mut all = Committed::new();
        for held in self.fleet.held() {
            let partition = (held.group, TopicPartition::new(held.topic, held.partition));
            let first = all.entry(partition).or_insert(held.offset);
            *first = (*first).min(held.offset);
        }
        all
    }
}
