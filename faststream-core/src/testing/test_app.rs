//! The same app that `main` runs, on the in-memory broker.

use std::any::type_name;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::calls::Calls;
use super::{DeadLetter, Published, TestCall};
use crate::app::{Brokers, Environment, Exit, FastStream, Plan, Running, Setting, StartOptions};
use crate::broker::Broker;
use crate::memory::MemoryBroker;
use crate::publish::Outgoing;
use crate::runtime::{HeldRecord, Quiet};
use crate::subscriber::Source;

/// Far beyond any test's intent, in virtual time: only what never ends gets there.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// Jitter repeats in every run.
const SEED: u64 = 7;
/// 2020-01-01, in milliseconds: when every test begins.
const STARTED: i64 = 1_577_836_800_000;

/// The same app that `main` runs, on the in-memory broker, in virtual time.
///
/// Retries, pauses and timers take no real time. Jitter and clocks repeat in every run.
pub struct TestApp {
    plan: Plan,
    brokers: Named,
    quiet: Arc<Quiet>,
    calls: Arc<Calls>,
    /// `None` once it was shut down.
    running: Option<Running>,
    lenient: bool,
}

/// One broker a name; `None` is the default one.
type Named = Arc<Mutex<BTreeMap<Option<String>, MemoryBroker>>>;

impl TestApp {
    /// Starts the app.
    ///
    /// # Panics
    /// If something is wrong with it: everything that is, is listed.
    pub async fn start(app: FastStream) -> Self {
        Self::start_in(app, Environment::default()).await
    }

    /// Starts the app with these environment variables instead of the process's.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_in(app: FastStream, environment: Environment) -> Self {
        let (quiet, brokers) = (Arc::new(Quiet::default()), Named::default());
        let (shared, named) = (Arc::clone(&quiet), Arc::clone(&brokers));
        let broker = move |name: Option<&str>| -> Arc<dyn Broker> {
            let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
            let broker = named.entry(name.map(ToOwned::to_owned));
            Arc::new(broker.or_insert_with(|| MemoryBroker::with_quiet(Arc::clone(&shared))).clone())
        };
        let brokers_setting = Brokers::ByName(Arc::new(broker));
        let package = Some("test");
        let setting = Setting { package, environment, brokers: brokers_setting, ..Setting::default() };
        let plan = match app.plan(setting) {
            Ok(plan) => plan,
            Err(faults) => panic!("{faults}"),
        };
        let mut app = Self { plan, brokers, quiet, calls: Arc::default(), running: None, lenient: false };
        app.run().await;
        app
    }

    /// Lets publish to topics that nobody reads or writes.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Publishes a value as JSON, and waits until everything that this caused has settled: every record is finished,
    /// held, or waits for longer than an hour.
    ///
    /// # Panics
    /// If the topic is unknown to the app, the value cannot be encoded, or it never settles.
    #[track_caller]
    pub fn publish<T: Serialize + ?Sized>(&self, topic: &str, value: &T) -> impl Future<Output = ()> {
        self.append(topic, value);
        self.settle()
    }

    /// Publishes a record as it is, and waits as [`publish`](Self::publish) does.
    ///
    /// # Panics
    /// As [`publish`](Self::publish).
    #[track_caller]
    pub fn publish_record(&self, record: Outgoing) -> impl Future<Output = ()> {
        self.append_record(record);
        self.settle()
    }

    /// Publishes a value as JSON, and does not wait.
    ///
    /// # Panics
    /// As [`publish`](Self::publish).
    #[track_caller]
    pub fn append<T: Serialize + ?Sized>(&self, topic: &str, value: &T) {
        match serde_json::to_vec(value) {
            Ok(payload) => self.append_record(Outgoing::new(topic, payload)),
            Err(error) => panic!("a `{}` for {topic} cannot be encoded: {error}", type_name::<T>()),
        }
    }

    /// Publishes a record as it is, and does not wait.
    ///
    /// # Panics
    /// As [`publish`](Self::publish).
    #[track_caller]
    pub fn append_record(&self, record: Outgoing) {
        let broker = self.broker_of(&record.topic);
        if let Err(error) = broker.append(record) {
            panic!("{error}");
        }
    }

    /// Waits until everything has settled.
    ///
    /// # Panics
    /// If it does not within a day of virtual time.
    pub async fn settle(&self) {
        let brokers: Vec<_> = self.named().values().cloned().collect();
        let settled = self.quiet.wait(|| brokers.iter().any(MemoryBroker::has_unseen));
        assert!(
            timeout(NEVER, settled).await.is_ok(),
            "not settled within a day: a call or an `Ack` never ends"
        );
    }

    /// Lets time pass, then waits until everything has settled.
    ///
    /// # Panics
    /// As [`settle`](Self::settle).
    pub async fn advance(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        self.settle().await;
    }

    /// What is in a topic, with JSON payloads of type `T`.
    #[must_use]
    pub fn published<T: DeserializeOwned>(&self, topic: &str) -> Published<T> {
        Published::new(topic, self.broker_of(topic).records(topic))
    }

    /// The records that were given up on, of those read from `topic`: what is in `{topic}-dlt`, or where a handler's
    /// `dead_letter` says.
    #[must_use]
    pub fn dead_letters(&self, topic: &str) -> Vec<DeadLetter> {
        let readers = self.plan.subscribers().iter().filter(|subscriber| subscriber.reads(topic));
        let mut places: Vec<_> = readers.map(|subscriber| subscriber.dead_letter_topic(topic)).collect();
        places.sort();
        places.dedup();
        let broker = self.broker_of(topic);
        let records = places.iter().flat_map(|place| broker.records(place));
        records.map(|(_, record)| DeadLetter::read(record)).filter(|letter| letter.topic == topic).collect()
    }

    /// The next offsets that a group committed in a topic, by partition.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.broker_of(topic).committed(group, topic)
    }

    /// The calls of a handler, in order.
    ///
    /// # Panics
    /// If there is no such handler.
    #[must_use]
    #[track_caller]
    pub fn calls(&self, handler: &str) -> Vec<TestCall> {
        let mut known = self.plan.subscribers().iter().map(|subscriber| &*subscriber.handler);
        assert!(
            known.clone().any(|name| name == handler),
            "no handler `{handler}`: there are {:?}",
            known.by_ref().collect::<Vec<_>>()
        );
        self.calls.of(handler)
    }

    /// The records that are kept back.
    #[must_use]
    pub fn held(&self) -> Vec<HeldRecord> {
        self.running.as_ref().map(Running::held).unwrap_or_default()
    }

    /// A value that was given to the app by `.state(..)`.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.plan.state()
    }

    /// The default broker, for faults by name.
    ///
    /// # Panics
    /// Never: every app has one.
    #[must_use]
    pub fn broker(&self) -> MemoryBroker {
        self.named().get(&None).cloned().expect("every app has a default broker")
    }

    /// A named broker.
    #[must_use]
    pub fn broker_named(&self, name: &str) -> Option<MemoryBroker> {
        self.named().get(&Some(name.to_owned())).cloned()
    }

    /// Ends the app as a power failure would, and starts it again from the committed offsets. States that were given by
    /// `.state(..)` are the same, those of `.state_with(..)` are made again.
    pub async fn crash(&mut self) {
        drop(self.running.take());
        // Its tasks are gone once the clock has moved: only then is a lane known to be dead.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.run().await;
        self.settle().await;
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

    /// Waits until the app ends by itself: a `Stop` verdict, for example.
    ///
    /// # Panics
    /// If it does not within a day of virtual time.
    pub async fn ended(&mut self) -> Exit {
        let Some(running) = &mut self.running else { return Exit::default() };
        timeout(NEVER, running.ended()).await.expect("the app ends by itself")
    }

    async fn run(&mut self) {
        let calls = Arc::clone(&self.calls);
        let options = StartOptions {
            observer: Some(calls),
            quiet: Arc::clone(&self.quiet),
            inline_blocking: true,
            seed: Some(SEED),
            started: Some(STARTED),
        };
        match self.plan.start(options).await {
            Ok(running) => self.running = Some(running),
            Err(error) => panic!("the app did not start: {error}"),
        }
    }

    fn named(&self) -> std::sync::MutexGuard<'_, BTreeMap<Option<String>, MemoryBroker>> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broker on which the app knows this topic.
    #[track_caller]
    fn broker_of(&self, topic: &str) -> MemoryBroker {
        let is_known_to = |subscriber: &&Arc<crate::subscriber::Subscriber>| {
            let writes = subscriber.publishes.iter().any(|name| **name == *topic);
            writes
                || subscriber.reads(topic)
                || *subscriber.dead_letter_topic("") == *topic
                || topic.ends_with("-dlt")
        };
        let found = self.plan.subscribers().iter().find(is_known_to);
        let known =
            found.is_some() || self.lenient || self.named().values().any(|broker| broker.has_topic(topic));
        assert!(known, "no handler reads or publishes `{topic}`: there are {:?}", self.topics());
        let name = found.and_then(|subscriber| subscriber.broker.as_deref().map(ToOwned::to_owned));
        self.named().get(&name).cloned().unwrap_or_else(|| self.broker())
    }

    fn topics(&self) -> Vec<String> {
        let names = self.plan.subscribers().iter().flat_map(|subscriber| {
            let read: Vec<String> = match &subscriber.source {
                Source::Topics(topics) => topics.iter().map(ToString::to_string).collect(),
                Source::Pattern(pattern) => vec![format!("/{pattern}/")],
            };
            read.into_iter().chain(subscriber.publishes.iter().map(ToString::to_string))
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Drop for TestApp {
    /// A failing test shows what its handlers failed with, and what is held.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for held in self.held() {
            let HeldRecord { handler, topic, partition, offset, error, .. } = held;
            eprintln!("held by {handler} at {topic}/{partition}, offset {offset}: {error}");
        }
    }
}

impl std::fmt::Debug for TestApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestApp")
            .field("plan", &self.plan)
            .field("calls", &self.calls.all().len())
            .finish_non_exhaustive()
    }
}
