//! Topics made or verified at start, and how much waits in those that nobody reads.
//!
//! Clients of its own, which live as long as a question does; the library's calls block, hence a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::{BrokerError, MissingTopic, TopicRequest};
use faststream_core::policy::Provision;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};
use tokio::runtime::Handle;

use crate::config::Secrets;
use crate::connect::on_a_thread;
use crate::errors::ErrorLog;
use crate::producer::KafkaProducer;

/// What one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// Until a topic that was made is known to the broker that is asked.
const KNOWN: Duration = Duration::from_secs(5);
/// How long a coordinator is asked again.
const COORDINATOR: Duration = Duration::from_secs(5);
/// The replication of a topic where the broker is too old (before 2.4) to choose: as many as it has, up to this.
const REPLICAS: usize = 3;

/// Makes or verifies topics; see the contract.
pub(crate) async fn ensure(
    producer: &Arc<KafkaProducer>,
    config: ClientConfig,
    who: &str,
    wanted: Vec<TopicRequest>,
) -> Result<Vec<MissingTopic>, BrokerError> {
    let asking =
        Asking { producer: Arc::clone(producer), config, who: who.to_owned(), runtime: Handle::current() };
    let answer = on_a_thread(who, move |_| asking.ensure(&wanted))?;
    answer.await.unwrap_or_else(|_| Err(BrokerError::new(format!("{who}: the thread that asked ended"))))
}

struct Asking {
    producer: Arc<KafkaProducer>,
    config: ClientConfig,
    who: String,
    /// Where the admin client's futures are awaited.
    runtime: Handle,
}

impl Asking {
    fn ensure(&self, wanted: &[TopicRequest]) -> Result<Vec<MissingTopic>, BrokerError> {
        let cluster = self.metadata()?;
        let known = partitions(&cluster);
        let unknown = wanted.iter().filter(|request| !known.contains_key(&request.topic));
        let (to_make, to_verify): (Vec<_>, Vec<_>) =
            unknown.partition(|request| request.provision == Provision::Create);
        let absent = |request: &TopicRequest| missing(&request.topic, "the broker does not know it");
        let mut missing: Vec<_> = to_verify.into_iter().map(absent).collect();
        if to_make.is_empty() {
            return Ok(missing);
        }
        let refused = self.make(&to_make, &known, cluster.brokers().len())?;
        let made = |request: &&&TopicRequest| !refused.iter().any(|refused| refused.topic == request.topic);
        let made: Vec<&str> = to_make.iter().filter(made).map(|request| &*request.topic).collect();
        for topic in &made {
            faststream_core::log::info!("{}: topic {topic} was made", self.who);
        }
        self.wait_for(&made)?;
        missing.extend(refused);
        Ok(missing)
    }

    /// Those that are refused, and will be again.
    fn make(
        &self,
        wanted: &[&TopicRequest],
        known: &BTreeMap<String, i32>,
        brokers: usize,
    ) -> Result<Vec<MissingTopic>, BrokerError> {
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
        self.refused(made.map_err(|error| self.failed(&error))?)
    }

    fn create(
        &self,
        wanted: &[&TopicRequest],
        shape: impl Fn(&TopicRequest) -> (i32, i32),
    ) -> Result<Vec<TopicResult>, KafkaError> {
        let mut config = self.config.clone();
        // It publishes nothing.
        config.set("enable.idempotence", "false");
        let admin = AdminClient::from_config_and_context(&config, Quiet::new(&self.who, &config))?;
        let topics: Vec<_> = wanted
            .iter()
            .map(|request| {
                let (partitions, replicas) = shape(request);
                NewTopic::new(&request.topic, partitions, TopicReplication::Fixed(replicas))
            })
            .collect();
        let options = AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST));
        self.runtime.block_on(admin.create_topics(&topics, &options))
    }

    fn refused(&self, results: Vec<TopicResult>) -> Result<Vec<MissingTopic>, BrokerError> {
        let mut refused = Vec::new();
        for (topic, code) in results.into_iter().filter_map(Result::err) {
            match code {
                Code::TopicAlreadyExists => {}
                code if is_final(code) => {
                    refused.push(missing(&topic, &format!("the broker refuses to make it: {code}")));
                }
                code => return Err(self.failed(&format!("making topic {topic}: {code}"))),
            }
        }
        Ok(refused)
    }

    /// A member that subscribes to a topic that its broker does not know yet would look again only after a while.
    fn wait_for(&self, topics: &[&str]) -> Result<(), BrokerError> {
        let until = Instant::now() + KNOWN;
        loop {
            let known = partitions(&self.metadata()?);
            let Some(unknown) = topics.iter().find(|topic| !known.contains_key(**topic)) else {
                return Ok(());
            };
            if Instant::now() > until {
                return Err(self.failed(&format!("topic {unknown} was made, and is not known yet")));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn metadata(&self) -> Result<Metadata, BrokerError> {
        self.producer
            .metadata(REQUEST)
            .map_err(|error| self.failed(&self.producer.trouble().unwrap_or_else(|| error.to_string())))
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> BrokerError {
        let reason = reason.to_string();
        BrokerError::new(format!("{}: {}", self.who, Secrets::of(&self.config).hide(&reason)))
    }
}

/// How many records of each topic the group has not committed; see the contract.
pub(crate) async fn backlog(
    config: ClientConfig,
    who: &str,
    topics: Vec<String>,
) -> Result<Vec<(String, u64)>, BrokerError> {
    let name = who.to_owned();
    let ask = move |is_wanted: &dyn Fn() -> bool| {
        let secrets = Secrets::of(&config);
        let failed =
            |error: KafkaError| BrokerError::new(format!("{name}: {}", secrets.hide(&error.to_string())));
        let mut config = config;
        config.set("enable.auto.commit", "false").set("statistics.interval.ms", "0");
        let consumer: BaseConsumer<Quiet> =
            BaseConsumer::from_config_and_context(&config, Quiet::new(&name, &config)).map_err(failed)?;
        let waiting = |topic: String| {
            // The coordinator may be starting, or moving.
            let until = Instant::now() + COORDINATOR;
            loop {
                match waiting(&consumer, &topic) {
                    Ok(records) => return Ok((topic, records)),
                    Err(error) if Instant::now() > until || !is_wanted() => return Err(failed(error)),
                    Err(_) => thread::sleep(Duration::from_millis(100)),
                }
            }
        };
        topics.into_iter().map(waiting).collect()
    };
    let answer = on_a_thread(who, ask)?;
    answer.await.unwrap_or_else(|_| Err(BrokerError::new(format!("{who}: the thread that asked ended"))))
}

fn waiting(consumer: &BaseConsumer<Quiet>, topic: &str) -> Result<u64, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST)?;
    let mut asked = TopicPartitionList::new();
    for partition in 0..partitions(&metadata).get(topic).copied().unwrap_or(0) {
        asked.add_partition(topic, partition);
    }
    let mut records = 0;
    for place in consumer.committed_offsets(asked, REQUEST)?.elements() {
        let (start, end) = consumer.fetch_watermarks(topic, place.partition(), REQUEST)?;
        let next = if let Offset::Offset(next) = place.offset() { next.max(start) } else { start };
        records += u64::try_from(end - next).unwrap_or(0);
    }
    Ok(records)
}

/// The topics that exist.
fn partitions(metadata: &Metadata) -> BTreeMap<String, i32> {
    let exists = metadata.topics().iter().filter(|topic| !topic.partitions().is_empty());
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    exists.map(|topic| (topic.name().to_owned(), count(topic.partitions().len()))).collect()
}

fn missing(topic: &str, reason: &str) -> MissingTopic {
    MissingTopic { topic: topic.to_owned(), reason: reason.to_owned() }
}

/// What trying again cannot change, unless somebody changes the cluster.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::PolicyViolation
            | Code::InvalidTopic
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::InvalidReplicaAssignment
            | Code::InvalidConfig
            | Code::InvalidRequest
            | Code::UnsupportedVersion
    )
}

/// A client that answers a question: its errors are told once a minute, its other callbacks say nothing.
struct Quiet(ErrorLog);

impl Quiet {
    fn new(who: &str, config: &ClientConfig) -> Self {
        Self(ErrorLog::new(format!("{who}: looking after topics")).without(Secrets::of(config)))
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.client_log(level, facility, message);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.client_error(&error, reason);
    }
}

impl ConsumerContext for Quiet {}
