//! The same app that `main` runs, on the in-memory broker.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::TestCall;
use super::calls::Calls;
use super::panics::panic_at;
use super::run::is_real_time;
use crate::app::{Brokers, Environment, Exit, FastStream, LaunchOptions, Plan, Running, StartOptions};
use crate::broker::Broker;
use crate::context::{IdleTracker, Observers, Threads};
use crate::log::print;
use crate::memory::{MemoryBroker, SESSION};
use crate::runtime::HeldRecord;

/// Far longer than any test intends, in virtual time: only a test that never ends takes this long.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// How many failures a failing test prints again at its end.
const LAST: usize = 5;
/// How long a commit may take in real time before a test continues without it: a test may make it fail.
const COMMIT: Duration = Duration::from_secs(2);
/// How often a test in real time looks whether its commits have been answered.
const LOOK: Duration = Duration::from_millis(1);
/// The number of calls of a handler that suggests a loop.
const MANY: u64 = 1_000;
/// The seed, so that jitter repeats in every run.
const SEED: u64 = 7;

/// The same app that `main` runs, on the in-memory broker, in virtual time.
///
/// Retries, pauses and timers take no real time. Jitter and clocks repeat in every run.
pub struct TestApp {
    /// The app's plan, from which it starts again after a crash.
    pub(super) plan: Plan,
    /// The brokers of the app, shared with its plan.
    brokers: Named,
    /// The counters of work in progress: several, if the brokers were not created for this app.
    quiets: Vec<Arc<IdleTracker>>,
    /// The calls of its handlers so far, of all starts.
    pub(super) calls: Arc<Calls>,
    /// The running app; `None` once it was shut down.
    pub(super) running: Option<Running>,
    /// Whether the test may publish to unknown topics.
    pub(super) lenient: bool,
}

/// The location of the test's call.
pub(super) type Caller = &'static Location<'static>;

/// One broker for each name; `None` is the default one.
type Named = Arc<Mutex<BTreeMap<Option<String>, MemoryBroker>>>;

impl TestApp {
    /// Starts the app. It runs on the [`MemoryBroker`] that it was created with, which several apps may share. Any
    /// other broker is replaced by a new one.
    ///
    /// # Panics
    /// If the app has faults: all of them are listed.
    #[track_caller]
    pub fn start(app: FastStream) -> impl Future<Output = Self> {
        Self::start_in(app, Environment::default())
    }

    /// Starts the app with these environment variables instead of the process's.
    ///
    /// # Panics
    /// Same as [`start`](Self::start).
    ///
    /// ```
    /// use faststream::{Environment, FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "${ORDERS_TOPIC:orders}")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start_in(app, Environment::only([("ORDERS_TOPIC", "orders-2")])).await;
    /// app.publish("orders-2", &1).await;
    /// assert_eq!(app.calls("bill").len(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn start_in(app: FastStream, environment: Environment) -> impl Future<Output = Self> {
        let caller = Location::caller();
        async move { Self::start_at(app, environment, caller).await }
    }

    /// Starts the app. A panic names the line of the test's call.
    async fn start_at(app: FastStream, environment: Environment, caller: Caller) -> Self {
        let (idle, brokers) = (Arc::new(IdleTracker::default()), Named::default());
        let (shared, named) = (Arc::clone(&idle), Arc::clone(&brokers));
        let broker = move |name: Option<&str>, own: &dyn Broker| -> Arc<dyn Broker> {
            let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
            let broker = named.entry(name.map(ToOwned::to_owned));
            let own: &dyn Any = own;
            let made = || match own.downcast_ref::<MemoryBroker>() {
                Some(own) => {
                    own.start_as_in_every_test();
                    own.clone()
                }
                None => MemoryBroker::with_idle_tracker(Arc::clone(&shared)),
            };
            Arc::new(broker.or_insert_with(made).clone())
        };
        let brokers_setting = Brokers::ByName(Arc::new(broker));
        let package = Some("test");
        let setting =
            LaunchOptions { package, environment, brokers: brokers_setting, ..LaunchOptions::default() };
        let plan = match app.plan(setting) {
            Ok(plan) => plan,
            Err(faults) => panic_at(caller, format!("the app cannot start: {faults}")),
        };
        let mut app =
            Self { plan, brokers, quiets: vec![idle], calls: Calls::new(), running: None, lenient: false };
        // Lanes count their work in the same tracker as the default broker.
        app.quiets.insert(0, app.broker().idle());
        let named: Vec<_> = app.named().values().map(MemoryBroker::idle).collect();
        app.quiets.extend(named);
        app.run(caller).await;
        app
    }

    /// Allows publishing to topics that no handler reads or writes, and reading the offsets of groups that no handler
    /// has.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Waits until everything has settled. In real time, finished records are then committed, too.
    ///
    /// # Panics
    /// If that takes longer than a day of virtual time.
    #[track_caller]
    pub fn settle(&self) -> impl Future<Output = ()> {
        self.settle_for(Location::caller())
    }

    /// Waits until everything has settled, as `settle` does, and panics at the line of the test's call.
    pub(super) async fn settle_for(&self, caller: Caller) {
        let brokers: Vec<_> = self.named().values().cloned().collect();
        let settled =
            IdleTracker::wait_for_all(&self.quiets, || brokers.iter().any(MemoryBroker::has_unseen));
        if timeout(NEVER, settled).await.is_err() {
            let most = self.calls.most().filter(|(number, _)| *number > MANY);
            let most = most.map_or_else(String::new, |(_, most)| format!("; called most: {most}"));
            panic_at(caller, format!("not settled within a day: {}{most}", self.unfinished()));
        }
        if is_real_time() {
            self.commit(&brokers).await;
        }
    }

    /// No clock jumps to the next commit, so it commits at once.
    async fn commit(&self, brokers: &[MemoryBroker]) {
        brokers.iter().for_each(MemoryBroker::commit_now);
        let until = Instant::now() + COMMIT;
        while brokers.iter().any(MemoryBroker::has_uncommitted) && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
        // The members are notified of it.
        let seen = || brokers.iter().any(MemoryBroker::has_unseen);
        let _ = timeout(COMMIT, IdleTracker::wait_for_all(&self.quiets, seen)).await;
    }

    /// Lets time pass, then waits until everything has settled.
    ///
    /// # Panics
    /// Same as [`settle`](Self::settle).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) -> Result<(), String> {
    ///     Err("no price".into())
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// let calls = app.calls("bill").len();
    /// app.advance(Duration::from_secs(60)).await;
    /// assert!(app.calls("bill").len() > calls); // a held record is tried again
    /// # });
    /// ```
    #[track_caller]
    pub fn advance(&self, duration: Duration) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            tokio::time::sleep(duration).await;
            self.settle_for(caller).await;
        }
    }

    /// Returns the default broker, for injecting faults by name.
    ///
    /// # Panics
    /// Never: every app has a default broker.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.broker().rebalance("billing");
    /// app.publish("orders", &1).await;
    /// assert_eq!(app.calls("bill").len(), 1);
    /// # });
    /// ```
    #[must_use]
    pub fn broker(&self) -> MemoryBroker {
        self.named().get(&None).cloned().expect("every app has a default broker")
    }

    /// Returns a named broker.
    #[must_use]
    pub fn broker_named(&self, name: &str) -> Option<MemoryBroker> {
        self.named().get(&Some(name.to_owned())).cloned()
    }

    /// Ends the app as a power failure would, and starts it again from the committed offsets, once the session of the
    /// crashed one has ended (6 s). Then waits until everything has settled. States from `.state(..)` stay the same;
    /// those of `.state_with(..)` are created again.
    ///
    /// # Panics
    /// If the app does not start or settle, as in [`start`](Self::start) and [`settle`](Self::settle).
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let mut app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// app.crash().await; // before the next commit
    /// app.settle().await;
    /// assert_eq!(app.calls("bill").len(), 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn crash(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            drop(self.running.take());
            // A moment longer, because timers of the same moment may run in any order.
            tokio::time::sleep(SESSION + Duration::from_millis(10)).await;
            self.run(caller).await;
            self.settle_for(caller).await;
        }
    }

    /// Drains the app and ends it.
    ///
    /// # Panics
    /// If it has not ended within a day of virtual time.
    pub async fn shutdown(mut self) -> Exit {
        let Some(mut running) = self.running.take() else { return Exit::default() };
        running.shutdown();
        timeout(NEVER, running.ended()).await.expect("an app ends within its drain times")
    }

    /// Waits until the app ends by itself, for example by a `Stop` verdict.
    ///
    /// # Panics
    /// If it has not ended within a day of virtual time.
    pub async fn ended(&mut self) -> Exit {
        let Some(running) = &mut self.running else { return Exit::default() };
        timeout(NEVER, running.ended()).await.expect("the app ends by itself")
    }

    /// Starts the app from its plan, for the first time or after a crash.
    async fn run(&mut self, caller: Caller) {
        let calls = Arc::clone(&self.calls);
        let options = StartOptions {
            observers: Observers::default().with(calls),
            idle: self.broker().idle(),
            threads: Threads::default(),
            seed: Some(SEED),
            started: Some(self.broker().now_ms()),
        };
        match self.plan.start(options).await {
            Ok(running) => self.running = Some(running),
            Err(error) => panic_at(caller, format!("the app did not start: {error}")),
        }
    }

    /// Returns where a handler has unfinished work: records that are neither committed after a day nor held.
    fn unfinished(&self) -> String {
        let held: BTreeSet<_> =
            self.held().into_iter().map(|held| (held.group, held.topic, held.partition)).collect();
        let mut places = Vec::new();
        for subscriber in self.plan.subscribers() {
            let broker = self.named().get(&subscriber.spec.broker.as_deref().map(ToOwned::to_owned)).cloned();
            let Some(broker) = broker else { continue };
            for topic in broker.topic_list().into_keys().filter(|topic| subscriber.spec.reads(topic)) {
                let committed = broker.committed(&subscriber.spec.group, &topic);
                let next = |partition| committed.get(&partition).copied().unwrap_or(0);
                let mut first = BTreeMap::new();
                for (partition, record) in broker.records(&topic) {
                    let place = (Arc::clone(&subscriber.spec.group), Arc::from(&*topic), partition);
                    if record.offset >= next(partition) && !held.contains(&place) {
                        first.entry(partition).or_insert(record.offset);
                    }
                }
                let place = |(partition, offset)| {
                    format!("{} at {topic}/{partition}, offset {offset}", subscriber.handler.name)
                };
                places.extend(first.into_iter().map(place));
            }
        }
        if places.is_empty() {
            return "something is under way, and every record is committed".to_owned();
        }
        format!("a call or an `Ack` never ends: {}", places.join("; "))
    }

    /// Locks the brokers.
    pub(super) fn named(&self) -> std::sync::MutexGuard<'_, BTreeMap<Option<String>, MemoryBroker>> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TestApp {
    /// A failing test prints its handlers' failures, and the held records.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for TestCall { handler, topic, partition, offset, attempt, error, .. } in
            self.calls.last_failures(LAST)
        {
            let error = error.unwrap_or_default();
            print!(
                "{handler} had failed at {topic}/{partition}, offset {offset}, attempt {attempt}: {error}"
            );
        }
        for held in self.held() {
            let HeldRecord { handler, topic, partition, offset, error, .. } = held;
            print!("held by {handler} at {topic}/{partition}, offset {offset}: {error}");
        }
    }
}

impl std::fmt::Debug for TestApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestApp")
            .field("plan", &self.plan)
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}
