//! The view that a scenario's checks and actions have of a run.
//!
//! Checks run on the simulation's thread, between steps, so nothing changes while they look.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::random::{Random, random};
use crate::memory::MemoryBroker;
use crate::record::Outgoing;
use crate::record::OwnedRecord;
use crate::runtime::HeldRecord;
use crate::subscriber::Subscriber;
use crate::testing::{DeadLetter, Publishable, Published};

/// The brokers of a run by their names; `None` is the default one.
pub(super) type Named = Arc<Mutex<BTreeMap<Option<String>, MemoryBroker>>>;

/// The view that a scenario's checks and actions have of a run: the brokers, and the app's instances.
///
/// ```
/// use faststream::testing::{Scenario, World};
///
/// /// Every order was billed, however often instances crashed.
/// fn billed(world: &World) {
///     let (orders, invoices) = (world.records("orders").len(), world.records("invoices").len());
///     assert!(invoices >= orders, "{invoices} invoices for {orders} orders, with seed {}", world.seed());
/// }
///
/// let scenario = Scenario::new().records("orders", |_random, number| number).check_at_end(billed);
/// # let _ = scenario;
/// ```
#[derive(Debug)]
pub struct World {
    /// The seed of the run.
    pub(super) seed: u64,
    /// When the run began, by tokio's clock.
    pub(super) began: Instant,
    /// The brokers, shared with the fleet.
    pub(super) brokers: Named,
    /// The subscribers of the app.
    pub(super) subscribers: Vec<Arc<Subscriber>>,
    /// The held records of all instances, as of the last check.
    pub(super) held: Vec<HeldRecord>,
    /// How many instances run, as of the last check.
    pub(super) instances: usize,
    /// The number of the current step.
    pub(super) step: u32,
}

impl World {
    /// Returns the seed of this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the number of the step, from 1.
    #[must_use]
    pub fn step(&self) -> u32 {
        self.step
    }

    /// Returns the virtual time since the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Returns how many instances of the app run.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances
    }

    /// Returns random numbers that repeat with the seed.
    #[must_use]
    pub fn random(&self) -> Random {
        random()
    }

    /// Publishes a value as JSON, or a [`Publish`](crate::publish::Publish) with its key and headers. Faults do
    /// not apply.
    ///
    /// # Panics
    /// If it cannot be encoded, or names a partition that does not exist.
    #[track_caller]
    pub fn publish(&self, topic: &str, value: impl Publishable) {
        match value.into_record(topic) {
            Ok(record) => self.publish_record(record),
            Err(error) => panic!("a value for {topic}: {error}"),
        }
    }

    /// Publishes a record as it is. Faults do not apply.
    ///
    /// # Panics
    /// If it names a partition that does not exist.
    #[track_caller]
    pub fn publish_record(&self, record: Outgoing) {
        if let Err(error) = self.broker_of(&record.topic).append(record) {
            panic!("{error}");
        }
    }

    /// Returns the records of a topic, with JSON payloads of type `T`.
    #[must_use]
    pub fn published<T: DeserializeOwned>(&self, topic: &str) -> Published<T> {
        Published::new(topic, self.records(topic))
    }

    /// Returns the records of a topic as they are, with their partitions.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<(i32, OwnedRecord)> {
        self.broker_of(topic).records(topic)
    }

    /// Returns the dead letters of the records that were read from `topic`.
    #[must_use]
    pub fn dead_letters(&self, topic: &str) -> Vec<DeadLetter> {
        DeadLetter::all(&self.broker_of(topic), &self.subscribers, topic)
    }

    /// Returns the next offsets that a group committed in a topic, by partition.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.broker_of(topic).committed(group, topic)
    }

    /// Returns the held records of all instances.
    #[must_use]
    pub fn held(&self) -> &[HeldRecord] {
        &self.held
    }

    /// Returns the default broker, for your own faults.
    ///
    /// # Panics
    /// Never: every app has a default broker.
    #[must_use]
    pub fn broker(&self) -> MemoryBroker {
        self.named().get(&None).cloned().expect("every app has a default broker")
    }

    /// Returns a named broker; the default one if there is none of that name.
    pub(super) fn broker_named(&self, name: Option<&str>) -> MemoryBroker {
        self.named().get(&name.map(ToOwned::to_owned)).cloned().unwrap_or_else(|| self.broker())
    }

    /// Returns the broker on which the app reads or writes this topic; the default one if it does neither.
    pub(super) fn broker_of(&self, topic: &str) -> MemoryBroker {
        let knows = |subscriber: &&Arc<Subscriber>| {
            subscriber.spec.reads(topic) || subscriber.handler.publishes.iter().any(|name| **name == *topic)
        };
        let found = self.subscribers.iter().find(knows);
        let name = found.and_then(|subscriber| subscriber.spec.broker.as_deref().map(ToOwned::to_owned));
        self.named().get(&name).cloned().unwrap_or_else(|| self.broker())
    }

    /// Returns all brokers of the run, in the order of their names.
    pub(super) fn all_brokers(&self) -> Vec<MemoryBroker> {
        self.named().values().cloned().collect()
    }

    /// Locks the brokers. A panic under the lock does not matter: the map is only added to.
    fn named(&self) -> std::sync::MutexGuard<'_, BTreeMap<Option<String>, MemoryBroker>> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
