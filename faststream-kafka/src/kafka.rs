//! The Kafka broker as an app sees it: its settings, one producer, a membership for each group.
//!
//! It implements the contract of `faststream-core` by delegation and decides little itself: what is created once,
//! and what a later client of the same group has to know of an earlier one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use faststream_core::TopicPartition;
use faststream_core::broker::{
    BoxFuture, Broker, BrokerError, GroupMember, GroupRequest, Producer, SeekTo, TopicFault, TopicPurpose,
    TopicRequest, sealed,
};

use crate::config::KafkaConfig;
use crate::connect;
use crate::consumer::{self, Kept};
use crate::producer::KafkaProducer;
use crate::reach::Reach;
use crate::topics;

/// A Kafka cluster: the broker of an app.
///
/// Creating it connects to nothing and never fails; the settings are checked when the app starts. All groups of
/// the app share its one producer, and each has a consumer of its own.
///
/// ```
/// # mod faststream { pub use faststream_kafka as kafka; }
/// use faststream::kafka::{Kafka, KafkaConfig, Protocol};
///
/// let from_the_environment = Kafka::from_env();
/// let one_address = Kafka::new("localhost:9092").property("fetch.min.bytes", "1000");
/// let typed = Kafka::with(KafkaConfig::new("localhost:9092").protocol(Protocol::Consumer));
/// ```
pub struct Kafka {
    /// The settings. They change only before the app starts (`-X`).
    config: KafkaConfig,
    /// The producer, created by the first call that needs it. A refusal is kept as well: the settings do not
    /// change, so neither does the refusal.
    producer: OnceLock<Result<Arc<KafkaProducer>, BrokerError>>,
    /// By group: the state that outlives one client, for the client that replaces it after a fatal error.
    kept: Mutex<BTreeMap<Arc<str>, Kept>>,
    /// Recreates topics that were created at startup; `None` before, or if there are none.
    keeper: Mutex<Option<topics::TopicKeeper>>,
    /// Which brokers of the cluster cannot be reached, shared by all of its clients so that it is logged once.
    reach: Arc<Reach>,
}

impl Kafka {
    /// Returns the cluster that the environment names; see [`KafkaConfig::from_env`].
    #[must_use]
    pub fn from_env() -> Self {
        Self::with(KafkaConfig::from_env())
    }

    /// Returns the cluster at `host:port,host:port`. The environment is not read.
    #[must_use]
    #[track_caller]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self::with(KafkaConfig::new(brokers))
    }

    /// Returns the cluster with these settings.
    #[must_use]
    pub fn with(config: KafkaConfig) -> Self {
        Self {
            config,
            producer: OnceLock::new(),
            kept: Mutex::default(),
            keeper: Mutex::default(),
            reach: Arc::default(),
        }
    }

    /// Sets any property of librdkafka; see [`KafkaConfig::property`].
    #[must_use]
    #[track_caller]
    pub fn property(mut self, key: impl AsRef<str>, value: impl Into<String>) -> Self {
        self.config = self.config.property(key, value);
        self
    }

    /// Returns the producer, and creates it at the first call. Two callers at once get the same one.
    fn own_producer(&self) -> Result<Arc<KafkaProducer>, BrokerError> {
        let make =
            || KafkaProducer::new(self.config.producer_config(), &self.describe(), &self.reach).map(Arc::new);
        self.producer.get_or_init(make).clone()
    }
}

impl sealed::Sealed for Kafka {}

#[diagnostic::do_not_recommend]
impl Broker for Kafka {
    fn describe(&self) -> String {
        format!("kafka at {}", self.config.brokers().0)
    }

    fn override_property(&mut self, key: &str, value: &str) -> Result<(), BrokerError> {
        self.config.override_property(key, value);
        Ok(())
    }

    fn check(&self, groups: &[GroupRequest]) -> Vec<String> {
        self.config.check(groups)
    }

    /// Resolves once a broker has answered and one can be reached at the address that it advertises.
    fn connect(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            let producer = self.own_producer()?;
            connect::wait(&producer, &self.describe(), &self.config.bootstrap(), &self.config.brokers().1)
                .await
        })
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        Ok(self.own_producer()?)
    }

    /// Creates the client of a group and starts its control thread. The fetch memory is divided among the
    /// partitions that the producer's last metadata has for the group's topics.
    fn join(&self, request: GroupRequest, member: Box<dyn GroupMember>) -> Result<(), BrokerError> {
        let who = self.describe();
        let mut config = self.config.consumer_config(&request);
        let partitions = self.own_producer()?.partitions(|topic| request.reads(topic));
        let memory = self.config.share_memory(&mut config, partitions);
        let kept = {
            let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let group = Arc::clone(&request.group);
            all.entry(group).or_insert_with_key(|group| Kept::new(&who, group, &config, &self.reach)).clone()
        };
        consumer::join(&config, self.config.producer_config(), &who, request, member, kept, memory)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<(String, i32)>, BrokerError>> {
        Box::pin(async move { connect::topics(&self.own_producer()?, &self.describe()).await })
    }

    /// Creates or verifies topics, and starts the keeper for the created ones if the startup can continue. A
    /// missing topic of results does not prevent that.
    fn ensure_topics(&self, wanted: &[TopicRequest]) -> BoxFuture<'_, Result<Vec<TopicFault>, BrokerError>> {
        let wanted = wanted.to_vec();
        Box::pin(async move {
            let config = self.config.producer_config();
            let (producer, who) = (self.own_producer()?, self.describe());
            let faults = topics::ensure(&producer, config.clone(), &who, wanted.clone()).await?;
            // A missing topic of results does not keep an app from starting.
            let is_fatal = |fault: &TopicFault| {
                let request = wanted.iter().find(|request| request.topic == fault.topic);
                request.is_none_or(|request| request.purpose != TopicPurpose::Results)
            };
            if !faults.iter().any(is_fatal) {
                let keeper = topics::TopicKeeper::start(&producer, config, &who, &wanted);
                *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = keeper;
            }
            Ok(faults)
        })
    }

    fn backlog(
        &self,
        group: &str,
        topics: &[String],
    ) -> BoxFuture<'_, Result<Vec<(String, u64)>, BrokerError>> {
        let (config, topics) = (self.config.group_config(group), topics.to_vec());
        Box::pin(async move { topics::backlog(config, &self.describe(), topics).await })
    }

    fn find_offset(&self, tp: &TopicPartition, to: SeekTo) -> BoxFuture<'_, Result<i64, BrokerError>> {
        // It joins no group, and asks nothing about it.
        let (config, tp) = (self.config.group_config("faststream-seek"), tp.clone());
        Box::pin(async move { topics::find_offset(config, &self.describe(), tp, to).await })
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kafka").field(&self.config).finish()
    }
}
