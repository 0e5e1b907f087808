//! Creates or verifies topics at startup, after the connection and before any group is joined.
//!
//! 1. The metadata shows which topics exist. Existing ones are checked for settings that would lose records; they
//!    are never changed.
//! 2. Missing topics of results are a fault unless the broker creates topics at their first record. They belong to
//!    their readers, so they are never created here.
//! 3. Missing topics with `Provision::Verify` are a fault.
//! 4. The other missing topics are created in one request, with as many partitions as the largest topic whose
//!    records they receive.
//! 5. It waits until the metadata shows the new topics, so that a member that subscribes finds them at once.
//!
//! Faults are returned and end the startup; errors mean that the caller tries again. All of it runs on one thread
//! of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::{BrokerError, TopicFault, TopicPurpose, TopicRequest};
use faststream_core::policy::Provision;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, NewTopic, ResourceSpecifier, TopicReplication, TopicResult};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use tokio::runtime::Handle;

use super::client::{QuestionContext, REQUEST, looking, options, partitions};
use super::kept::{self, Kept};
use super::made::{Made, absent_topic, unseen};
use crate::config::Secrets;
use crate::connect::on_a_thread;
use crate::producer::KafkaProducer;

/// How long a topic that was created may be unknown to the broker that is asked.
const KNOWN: Duration = Duration::from_secs(5);
/// The maximum replication of a topic on brokers before 2.4, which cannot choose their own default (KIP-464).
const REPLICAS: usize = 3;

/// Creates or verifies topics; see `Broker::ensure_topics`. `config` is the producer's, for admin clients. Call it
/// inside a tokio runtime, on which the admin client's futures are awaited from the thread.
///
/// # Errors
/// If a broker does not answer, or answers something that may change by itself.
pub(crate) async fn ensure(
    producer: &Arc<KafkaProducer>,
    config: ClientConfig,
    who: &str,
    wanted: Vec<TopicRequest>,
) -> Result<Vec<TopicFault>, BrokerError> {
    let asking = Asking::new(Arc::clone(producer), config, who);
    let answer = on_a_thread(who, move |_| asking.ensure(&wanted))?;
    answer.await.unwrap_or_else(|_| Err(BrokerError::new(format!("{who}: the thread that asked ended"))))
}

/// What a question about topics needs. Also used by the keeper, for one turn each.
pub(super) struct Asking {
    /// Asks for metadata, and keeps the last error of the connection.
    pub(super) producer: Arc<KafkaProducer>,
    /// The settings of admin clients.
    pub(super) config: ClientConfig,
    /// The cluster, for logs and errors.
    pub(super) who: String,
    /// The runtime on which the admin client's futures are awaited.
    pub(super) runtime: Handle,
}

impl Asking {
    /// Returns the means to ask. Call it inside a runtime.
    pub(super) fn new(producer: Arc<KafkaProducer>, config: ClientConfig, who: &str) -> Self {
        Self { producer, config, who: who.to_owned(), runtime: Handle::current() }
    }

    /// Runs the steps of the module's documentation. Blocks.
    fn ensure(&self, wanted: &[TopicRequest]) -> Result<Vec<TopicFault>, BrokerError> {
        let cluster = self.metadata()?;
        let known = partitions(&cluster);
        let (there, absent): (Vec<_>, Vec<_>) =
            wanted.iter().partition(|request| known.contains_key(&request.topic));
        let mut faults = self.unfit(&there);
        let (of_results, absent): (Vec<_>, Vec<_>) =
            absent.into_iter().partition(|request| request.purpose == TopicPurpose::Results);
        if !of_results.is_empty() {
            let are_made = self.are_made_by_the_broker(&cluster);
            let is_made = |request: &TopicRequest| are_made && request.provision == Provision::Create;
            faults.extend(of_results.into_iter().filter(|request| !is_made(request)).map(absent_topic));
        }
        let (to_make, to_verify): (Vec<_>, Vec<_>) =
            absent.into_iter().partition(|request| request.provision == Provision::Create);
        faults.extend(to_verify.into_iter().map(absent_topic));
        if to_make.is_empty() {
            return Ok(faults);
        }
        let made = self.make(&to_make, &known, cluster.brokers().len())?;
        for topic in &made.new {
            faststream_core::log::info!("{}: topic {topic} was made", self.who);
        }
        self.wait_for(&made)?;
        faults.extend(made.refused);
        Ok(faults)
    }

    /// Returns the existing topics that would lose records. Logs a warning for those that may, and for those whose
    /// settings cannot be read: the permission `DescribeConfigs` is needed for nothing else, so its absence does not
    /// end the startup.
    fn unfit(&self, there: &[&TopicRequest]) -> Vec<TopicFault> {
        let there: Vec<_> =
            there.iter().filter(|request| request.purpose != TopicPurpose::Results).copied().collect();
        let mut faults = Vec::new();
        for (request, kept) in there.iter().zip(self.kept(&there)) {
            match kept {
                Ok(kept) => {
                    if let Some(fault) = kept.fault(request) {
                        faults.push(TopicFault::unfit(request.topic.as_str(), fault));
                    } else if let Some(warning) = kept.warning(request) {
                        faststream_core::log::warn!("{}: topic {}: {warning}", self.who, request.topic);
                    }
                }
                Err(reason) => faststream_core::log::warn!(
                    "{}: topic {}: its settings cannot be read, so nobody knows whether it keeps its records long enough \
                     ({reason}): give this client's user the right DescribeConfigs",
                    self.who,
                    request.topic
                ),
            }
        }
        faults
    }

    /// Returns how long each of these topics keeps its records, in their order, or why that is unknown.
    ///
    /// Asks a second time if the first answer is an error, but not after a timeout: the startup waits for this,
    /// and can continue without it.
    fn kept(&self, topics: &[&TopicRequest]) -> Vec<Result<Kept, String>> {
        if topics.is_empty() {
            return Vec::new();
        }
        let ask = || {
            let admin = self.admin()?;
            let resources: Vec<_> =
                topics.iter().map(|request| ResourceSpecifier::Topic(&request.topic)).collect();
            self.runtime.block_on(admin.describe_configs(&resources, &looking()))
        };
        // Who did not answer once in time keeps the start waiting no longer.
        let again = |error: KafkaError| match error {
            KafkaError::AdminOp(Code::OperationTimedOut | Code::RequestTimedOut) => Err(error),
            _ => ask(),
        };
        match ask().or_else(again) {
            Ok(answers) => {
                let refusal = answers.iter().find_map(|answer| answer.as_ref().err());
                let refusal =
                    refusal.map_or_else(|| "the broker gave none of them".to_owned(), ToString::to_string);
                let known: Vec<_> = answers.iter().flatten().filter_map(Kept::read).collect();
                let of = |request: &&TopicRequest| {
                    let found = known.iter().find(|(topic, _)| *topic == request.topic);
                    found.map(|(_, kept)| *kept).ok_or_else(|| refusal.clone())
                };
                topics.iter().map(of).collect()
            }
            Err(error) => topics.iter().map(|_| Err(error.to_string())).collect(),
        }
    }

    /// Returns whether a topic appears when its first record is written, by `auto.create.topics.enable` of one
    /// broker. False if that cannot be read.
    ///
    /// One broker is enough: the setting has to be the same on all of them, or a topic would appear at random.
    fn are_made_by_the_broker(&self, cluster: &Metadata) -> bool {
        let Some(broker) = cluster.brokers().first() else { return false };
        let ask = || {
            let resource = ResourceSpecifier::Broker(broker.id());
            self.runtime.block_on(self.admin()?.describe_configs(&[resource], &looking()))
        };
        let answer = ask().ok().and_then(|answers| answers.into_iter().next()?.ok());
        answer.is_some_and(|broker| {
            let entry = broker.get("auto.create.topics.enable");
            entry.is_some_and(|entry| entry.value.as_deref() == Some("true"))
        })
    }

    /// Creates these topics in one request. `known` are the existing topics with their number of partitions,
    /// `brokers` is the number of brokers.
    ///
    /// A topic without an existing source gets the broker's default number of partitions. Brokers before 2.4 have
    /// to be told a number: 1 partition, and up to 3 replicas.
    ///
    /// # Errors
    /// If a broker refuses a topic for now. A final refusal is in the result.
    pub(super) fn make(
        &self,
        wanted: &[&TopicRequest],
        known: &BTreeMap<String, i32>,
        brokers: usize,
    ) -> Result<Made, BrokerError> {
        let most = |request: &TopicRequest| {
            request.sources.iter().filter_map(|source| known.get(source)).copied().max()
        };
        // -1: the broker's own number. Before 2.4 it took none.
        let chosen = |request: &TopicRequest| (most(request).unwrap_or(-1), -1);
        let replicas = i32::try_from(brokers.clamp(1, REPLICAS)).unwrap_or(1);
        let given = |request: &TopicRequest| (most(request).unwrap_or(1), replicas);
        let made = match self.create(wanted, chosen) {
            Err(KafkaError::AdminOp(Code::UnsupportedFeature)) => self.create(wanted, given),
            made => made,
        };
        let made = made.map_err(|error| self.failed(&error))?;
        Made::of(made).map_err(|reason| self.failed(&reason))
    }

    /// Sends one request for all topics. `shape` returns the number of partitions and of replicas; -1 leaves it to
    /// the broker.
    fn create(
        &self,
        wanted: &[&TopicRequest],
        shape: impl Fn(&TopicRequest) -> (i32, i32),
    ) -> Result<Vec<TopicResult>, KafkaError> {
        let admin = self.admin()?;
        let settings: Vec<_> = wanted.iter().map(|request| kept::made_with(request.purpose)).collect();
        let topics: Vec<_> = wanted
            .iter()
            .zip(&settings)
            .map(|(request, settings)| {
                let (partitions, replicas) = shape(request);
                let topic = NewTopic::new(&request.topic, partitions, TopicReplication::Fixed(replicas));
                settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
            })
            .collect();
        self.runtime.block_on(admin.create_topics(&topics, &options()))
    }

    /// Returns a new admin client. It connects for each use: admin requests are rare, and a client costs several
    /// threads.
    pub(super) fn admin(&self) -> Result<AdminClient<QuestionContext>, KafkaError> {
        let mut config = self.config.clone();
        // It publishes nothing.
        config.set("enable.idempotence", "false");
        AdminClient::from_config_and_context(&config, QuestionContext::new(&self.who, &config))
    }

    /// Waits until the metadata has all created topics. A member that subscribes to a topic that its broker does
    /// not know yet would look again only after the metadata refresh interval.
    fn wait_for(&self, made: &Made) -> Result<(), BrokerError> {
        let until = Instant::now() + KNOWN;
        loop {
            let known = partitions(&self.metadata()?);
            let is_unknown = |topic: &&String| !known.contains_key(*topic);
            let new = made.new.iter().find(is_unknown);
            let Some(unknown) = new.or_else(|| made.unseen.iter().find(is_unknown)) else { return Ok(()) };
            if Instant::now() > until {
                return Err(self.failed(&match new {
                    Some(new) => format!("topic {new} was made, and is not known yet"),
                    None => unseen(unknown),
                }));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the metadata of all topics. Blocks for at most 10 s. The error is the connection's last one, if
    /// there is one: it says more than a timeout.
    pub(super) fn metadata(&self) -> Result<Metadata, BrokerError> {
        self.producer
            .metadata(REQUEST)
            .map_err(|error| self.failed(&self.producer.trouble().unwrap_or_else(|| error.to_string())))
    }

    /// Returns an error with the cluster's name and without secrets.
    fn failed(&self, reason: &dyn std::fmt::Display) -> BrokerError {
        let reason = reason.to_string();
        BrokerError::new(format!("{}: {}", self.who, Secrets::of(&self.config).hide(&reason)))
    }
}
