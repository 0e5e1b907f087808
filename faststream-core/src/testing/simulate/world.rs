//! What a scenario sees of a run, and does to it.

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

/// One broker a name; `None` is the default one.
pub(super) type Named = Arc<Mutex<BTreeMap<Option<String>, MemoryBroker>>>;

/// What a scenario's checks and actions see of a run: the broker, and the app's instances.
#[derive(Debug)]
pub struct World {
    pub(super) seed: u64,
    pub(super) began: Instant,
    pub(super) brokers: Named,
    pub(super) subscribers: Vec<Arc<Subscriber>>,
    /// Of the instances that run.
    pub(super) held: Vec<HeldRecord>,
    pub(super) instances: usize,
    pub(super) step: u32,
}

impl World {
    /// The seed of this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The number of the step, from 1.
    #[must_use]
    pub fn step(&self) -> u32 {
        self.step
    }

    /// How much virtual time has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// How many instances of the app run.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances
    }

    /// Random numbers that repeat with the seed.
    #[must_use]
    pub fn random(&self) -> Random {
        random()
    }

    /// Publishes a value as JSON, or a [`Publish`](crate::publish::Publish) with its key and headers, past faults.
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

    /// Publishes a record as it is, past faults.
    ///
    /// # Panics
    /// If it names a partition that does not exist.
    #[track_caller]
    pub fn publish_record(&self, record: Outgoing) {
        if let Err(error) = self.broker_of(&record.topic).append(record) {
            panic!("{error}");
        }
    }

    /// What is in a topic, with JSON payloads of type `T`.
    #[must_use]
    pub fn published<T: DeserializeOwned>(&self, topic: &str) -> Published<T> {
        Published::new(topic, self.records(topic))
    }

    /// What is in a topic, as it is, with partitions.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<(i32, OwnedRecord)> {
        self.broker_of(topic).records(topic)
    }

    /// The records that were given up on, of those read from `topic`.
    #[must_use]
    pub fn dead_letters(&self, topic: &str) -> Vec<DeadLetter> {
        DeadLetter::all(&self.broker_of(topic), &self.subscribers, topic)
    }

    /// The next offsets that a group committed in a topic, by partition.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.broker_of(topic).committed(group, topic)
    }

    /// The records that are kept back.
    #[must_use]
    pub fn held(&self) -> &[HeldRecord] {
        &self.held
    }

    /// The default broker, for faults of one's own.
    ///
    /// # Panics
    /// Never: every app has one.
    #[must_use]
    pub fn broker(&self) -> MemoryBroker {
        self.named().get(&None).cloned().expect("every app has a default broker")
    }

    pub(super) fn broker_named(&self, name: Option<&str>) -> MemoryBroker {
        self.named().get(&name.map(ToOwned::to_owned)).cloned().unwrap_or_else(|| self.broker())
    }

    /// The broker that the app knows this topic on.
    pub(super) fn broker_of(&self, topic: &str) -> MemoryBroker {
        let knows = |subscriber: &&Arc<Subscriber>| {
            subscriber.reads(topic) || subscriber.publishes.iter().any(|name| **name == *topic)
        };
        let found = self.subscribers.iter().find(knows);
        let name = found.and_then(|subscriber| subscriber.broker.as_deref().map(ToOwned::to_owned));
        self.named().get(&name).cloned().unwrap_or_else(|| self.broker())
    }

    pub(super) fn all_brokers(&self) -> Vec<MemoryBroker> {
        self.named().values().cloned().collect()
    }

    fn named(&self) -> std::sync::MutexGuard<'_, BTreeMap<Option<String>, MemoryBroker>> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
