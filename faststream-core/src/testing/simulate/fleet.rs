//! The instances of the app under simulation, all on the same brokers.
//!
//! It does what an orchestrator and a power failure do: it starts an instance, stops it cleanly, or drops it. It
//! also checks that a stop ends in time. All instances count their work in one tracker, so a run settles as a
//! whole.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::checker::{self, Checker};
use super::promise::Promise;
use super::turns::Turns;
use super::world::Named;
use crate::app::{Brokers, Environment, Exit, FastStream, LaunchOptions, Plan, Running, StartOptions};
use crate::broker::Broker;
use crate::context::{IdleTracker, Observers, Threads};
use crate::memory::{MemoryBroker, STARTED};
use crate::runtime::HeldRecord;

/// The time that a stop may take beyond the drain time: promise 6.
const STOP: Duration = Duration::from_secs(2);
/// The additional time of a stop while the broker is disconnected: more than the 10 s that a client waits for an
/// answer.
const STOP_OFFLINE: Duration = Duration::from_secs(12);
/// The time after which the end of a run does not wait for stops any more; far beyond any promise.
const NEVER: Duration = Duration::from_secs(60);
/// How often `left` looks whether the instances have ended.
const LOOK: Duration = Duration::from_millis(50);
/// How many times in a row an app that does not start is started, as an orchestrator does.
pub(super) const STARTS: u32 = 5;
/// How long the orchestrator waits before the second start; twice as long before each further one.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Builds the app, once for each instance.
pub(super) type Factory<'f> = dyn Fn() -> Pin<Box<dyn Future<Output = FastStream>>> + Sync + 'f;

/// The instances of one run.
pub(super) struct Fleet<'f> {
    /// Builds the app.
    factory: &'f Factory<'f>,
    /// The seed of the run. Each instance gets its own, derived from this one and its number.
    seed: u64,
    /// Observes the brokers and the instances.
    pub(super) checker: Arc<Checker>,
    /// The brokers, created when the first plan names them.
    pub(super) brokers: Named,
    /// Counts the work in progress of all brokers and instances.
    pub(super) idle: Arc<IdleTracker>,
    /// The instances that run, in the order of their starts.
    pub(super) running: Vec<Instance>,
    /// The instances that were asked to stop and have not ended.
    leaving: Vec<Leaving>,
    /// Why the last start failed; `None` if it succeeded.
    pub(super) not_started: Option<String>,
    /// The longest drain time of the app's subscribers.
    pub(super) drain: Duration,
    /// When the broker's disconnection ends or ended. A stop that began before may take longer.
    pub(super) offline_until: Instant,
    /// When the run began. The clock of a new instance has advanced as much since then as that of the run.
    began: Instant,
    /// The number of the last instance.
    numbers: u64,
    /// The threads of plain functions.
    turns: Arc<Turns>,
}

/// An instance that runs.
pub(super) struct Instance {
    /// Its number in the run, from 1.
    pub(super) number: u64,
    /// The running app. Dropping it is a crash.
    running: Running,
}

/// An instance that was asked to stop.
struct Leaving {
    /// Its number in the run.
    number: u64,
    /// When it was asked.
    began: Instant,
    /// Whether the broker was disconnected at any time since, so that it may take longer.
    offline: bool,
    /// Waits for its end.
    task: JoinHandle<Exit>,
}

impl Instance {
    /// The app, for what an operator does.
    pub(super) fn app(&self) -> &Running {
        &self.running
    }
}

impl<'f> Fleet<'f> {
    /// Returns a fleet without instances.
    pub(super) fn new(factory: &'f Factory<'f>, seed: u64, checker: Arc<Checker>) -> Self {
        let now = Instant::now();
        Self {
            factory,
            seed,
            checker,
            brokers: Named::default(),
            idle: Arc::default(),
            running: Vec::new(),
            leaving: Vec::new(),
            not_started: None,
            drain: Duration::ZERO,
            offline_until: now,
            began: now,
            numbers: 0,
            turns: Arc::new(Turns::new()),
        }
    }

    /// Builds the app, and resolves it on the brokers of the run: whatever broker it names is in memory here, and
    /// observed.
    ///
    /// # Panics
    /// If the app has faults. They are the violation of the run.
    pub(super) async fn plan(&self) -> Plan {
        let (named, idle) = (Arc::clone(&self.brokers), Arc::clone(&self.idle));
        let checker = Arc::clone(&self.checker);
        let broker = move |name: Option<&str>, _own: &dyn Broker| -> Arc<dyn Broker> {
            let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
            let broker = named.entry(name.map(ToOwned::to_owned)).or_insert_with(|| {
                let broker = MemoryBroker::with_idle_tracker(Arc::clone(&idle));
                broker.observe(Arc::clone(&checker) as _);
                broker
            });
            Arc::new(broker.clone())
        };
        let setting = LaunchOptions {
            package: Some("simulation"),
            environment: Environment::default(),
            brokers: Brokers::ByName(Arc::new(broker)),
            ..LaunchOptions::default()
        };
        let app = (self.factory)().await;
        match app.plan(setting) {
            Ok(plan) => plan,
            Err(faults) => {
                self.checker.model().violated(Promise::Starts, faults.to_string());
                panic!("{faults}");
            }
        }
    }

    /// Starts an instance. One that does not start is started again, as an orchestrator does, `STARTS` times in
    /// all and with growing pauses. The reason of the last failure stays in `not_started`.
    pub(super) async fn start(&mut self) {
        let mut pause = START_PAUSE;
        for start in 1..=STARTS {
            self.not_started = self.start_once().await.err();
            if self.not_started.is_none() || start == STARTS {
                break;
            }
            sleep(pause).await;
            pause *= 2;
        }
        if self.not_started.is_some() {
            // Its members joined and left.
            self.checker.model().unsettle(self.drain);
        }
    }

    /// Starts an instance once.
    ///
    /// # Errors
    /// The reason, if it does not start.
    async fn start_once(&mut self) -> Result<(), String> {
        let plan = self.plan().await;
        self.numbers += 1;
        let number = self.numbers;
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let instance = checker::Instance { number, checker: Arc::clone(&self.checker) };
        let options = StartOptions {
            observers: Observers::default().with(Arc::new(instance)),
            idle: Arc::clone(&self.idle),
            threads: Threads::Given(Arc::clone(&self.turns) as _),
            seed: Some(self.seed.wrapping_add(number)),
            started: Some(STARTED.saturating_add(passed)),
        };
        self.checker.model().note(("start", number), || format!("instance {number} starts"));
        let started = plan.start(options).await.map_err(|error| error.to_string());
        match started {
            Ok(running) => {
                self.running.push(Instance { number, running });
                Ok(())
            }
            Err(error) => {
                let text = || format!("instance {number} does not start: {error}");
                self.checker.model().note(("not started", number), text);
                Err(error)
            }
        }
    }

    /// Ends an instance as a power failure does: the app is dropped in the middle of everything.
    ///
    /// Its plain functions may still run on their threads. The model forgets them: they are those of a process
    /// that is gone.
    pub(super) fn crash(&mut self, index: usize) {
        let Instance { number, running } = self.running.remove(index);
        self.checker.model().note(("crash", number), || format!("instance {number} crashes"));
        drop(running);
        self.checker.model().forget_pauses(number);
        // Its threads belong to a process that is gone, whatever they still do.
        self.checker.model().plain.retain(|(instance, ..), _| *instance != number);
    }

    /// Asks an instance to drain and to end. `look` checks later that it does in time.
    pub(super) fn stop(&mut self, index: usize) {
        let Instance { number, mut running } = self.running.remove(index);
        self.checker.model().forget_pauses(number);
        self.checker.model().note(("stop", number), || format!("instance {number} is stopped"));
        running.shutdown();
        let task = tokio::spawn(async move { running.ended().await });
        let (began, offline) = (Instant::now(), Instant::now() < self.offline_until);
        self.leaving.push(Leaving { number, began, offline, task });
    }

    /// Returns how many instances have been asked to stop and have not ended.
    pub(super) fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Notes the instances that have ended. One that takes too long after a stop breaks promise 6. An instance may
    /// also end by itself: a handler stopped it, or its client cannot be replaced.
    pub(super) fn look(&mut self) {
        let checker = Arc::clone(&self.checker);
        let limit = self.drain + STOP;
        let away = self.offline_until;
        self.leaving.retain_mut(|leaving| {
            leaving.offline |= Instant::now() < away;
            let most = if leaving.offline { limit + STOP_OFFLINE } else { limit };
            let (took, number) = (leaving.began.elapsed(), leaving.number);
            let Some(ended) = (&mut leaving.task).now_or_never() else {
                if took > most {
                    checker.model().violated(
                        Promise::ShutdownEnds,
                        format!("instance {number} was asked to stop {took:?} ago, and has not ended"),
                    );
                }
                return true;
            };
            let text = || format!("instance {number} has ended: {:?}", ended.as_ref().ok());
            checker.model().note(("ended", number), text);
            false
        });
        self.running.retain_mut(|instance| {
            let ended = instance.running.ended().now_or_never();
            if let Some(exit) = &ended {
                let number = instance.number;
                let text = || format!("instance {number} ended by itself: {:?}", exit.messages);
                checker.model().note(("gone", number), text);
            }
            ended.is_none()
        });
    }

    /// Waits until all instances that were asked to stop have ended.
    pub(super) async fn left(&mut self) {
        let until = Instant::now() + NEVER;
        self.look();
        while !self.leaving.is_empty() && Instant::now() < until {
            sleep(LOOK).await;
            self.look();
        }
    }

    /// Returns the held records of all instances, without duplicates: ordered by topic, partition and offset.
    pub(super) fn held(&self) -> Vec<HeldRecord> {
        let held = self.running.iter().flat_map(|instance| instance.running.held());
        let by_place: BTreeMap<_, _> = held
            .map(|held| {
                let tp = (Arc::clone(&held.topic), held.partition, held.offset);
                ((tp, Arc::clone(&held.group)), held)
            })
            .collect();
        by_place.into_values().collect()
    }
}
