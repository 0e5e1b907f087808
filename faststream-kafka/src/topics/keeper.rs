//! Recreates topics that are deleted while the app runs: a handler that cannot write its dead letters or retries
//! would hold its partition.
//!
//! A thread looks at the metadata every 3 s, with the producer's client, so it costs one request. Two cases:
//!
//! * The topic is gone: it is created again, with the number of partitions that it had.
//! * The topic exists with fewer partitions than before: the broker has created it at a record that somebody wrote
//!   meanwhile, with its own defaults. It gets the missing partitions and its retention.
//!
//! Either is logged as a warning, because the records that waited in the topic are lost.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use faststream_core::broker::{TopicProblem, TopicPurpose, TopicRequest};
use faststream_core::policy::Provision;
use rdkafka::ClientConfig;
use rdkafka::admin::{AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::error::KafkaError;
use tokio::runtime::Handle;

use super::client::{options, partitions};
use super::ensure::Asking;
use super::kept;
use super::made::unseen;
use crate::config::Secrets;
use crate::error_log::ErrorLog;
use crate::producer::KafkaProducer;

/// How often the topics are checked.
const TURN: Duration = Duration::from_secs(3);

/// Checks the created topics for as long as it lives. Dropping it ends the thread after its current turn; nothing
/// waits for that.
#[derive(Debug)]
pub(crate) struct TopicKeeper {
    /// Nothing is sent. Its end wakes the thread.
    _stop: Sender<()>,
}

/// The state of the thread.
struct Turns {
    /// Weak, so that the thread does not keep the producer alive after the app.
    producer: Weak<KafkaProducer>,
    /// The settings of admin clients.
    config: ClientConfig,
    /// The cluster, for logs.
    who: String,
    /// The runtime on which the admin client's futures are awaited.
    runtime: Handle,
    /// The log of its problems, once a minute for each topic.
    errors: ErrorLog,
    /// The topics that the app creates.
    topics: Vec<TopicRequest>,
    /// The largest number of partitions that each has had.
    partitions: BTreeMap<String, i32>,
}

impl TopicKeeper {
    /// Starts a thread for those of these topics that the app creates; topics of results and verified ones are
    /// left out. `None` if there are none, or if no thread can be started, which is logged. Call it inside a
    /// runtime.
    pub(crate) fn start(
        producer: &Arc<KafkaProducer>,
        config: ClientConfig,
        who: &str,
        wanted: &[TopicRequest],
    ) -> Option<Self> {
        let is_ours = |request: &&TopicRequest| {
            request.provision == Provision::Create && request.purpose != TopicPurpose::Results
        };
        let topics: Vec<_> = wanted.iter().filter(is_ours).cloned().collect();
        if topics.is_empty() {
            return None;
        }
        let errors = ErrorLog::new(format!("{who}: looking after topics")).without(Secrets::of(&config));
        let turns = Turns {
            producer: Arc::downgrade(producer),
            config,
            who: who.to_owned(),
            runtime: Handle::current(),
            errors,
            topics,
            partitions: BTreeMap::new(),
        };
        let (stop, stopped) = channel();
        match thread::Builder::new().name("faststream-topics".into()).spawn(move || turns.run(&stopped)) {
            Ok(_) => Some(Self { _stop: stop }),
            Err(error) => {
                faststream_core::log::warn!(
                    "no thread to look after topics on, what is deleted is not made again: {error}"
                );
                None
            }
        }
    }
}

impl Turns {
    /// Checks the topics until the keeper or the producer is dropped.
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let Some(producer) = self.producer.upgrade() else { return };
            self.turn(producer);
            if stopped.recv_timeout(TURN) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Checks each topic once. Without an answer of the broker nothing happens: the connection's problems are
    /// logged elsewhere.
    fn turn(&mut self, producer: Arc<KafkaProducer>) {
        let asking = Asking {
            producer,
            config: self.config.clone(),
            who: self.who.clone(),
            runtime: self.runtime.clone(),
        };
        // Brokers that are away are told of elsewhere.
        let Ok(cluster) = asking.metadata() else { return };
        let known = partitions(&cluster);
        for request in &self.topics {
            let before = self.partitions.get(&request.topic).copied();
            let now = known.get(&request.topic).copied();
            let done = match (before, now) {
                (Some(before), Some(now)) if now < before => {
                    self.mend(&asking, request, before).map(|()| before)
                }
                (_, Some(now)) => Ok(now),
                (before, None) => self.make_again(&asking, request, before, cluster.brokers().len(), &known),
            };
            match done {
                Ok(partitions) => {
                    self.partitions.insert(request.topic.clone(), partitions.max(before.unwrap_or(0)));
                }
                Err(message) => self.errors.log(&request.topic, message),
            }
        }
    }

    /// Creates a topic again, and returns its number of partitions. The error is the line to log, and the next
    /// turn tries again.
    ///
    /// `before` is the largest number that the keeper has seen, `None` if it has not seen the topic; `known` are
    /// the topics that exist now.
    fn make_again(
        &self,
        asking: &Asking,
        request: &TopicRequest,
        before: Option<i32>,
        brokers: usize,
        known: &BTreeMap<String, i32>,
    ) -> Result<i32, String> {
        let mut known = known.clone();
        // As many as it had, though its source may be gone, too.
        if let (Some(source), Some(before)) = (request.sources.first(), before) {
            let partitions = known.entry(source.clone()).or_insert(before);
            *partitions = before.max(*partitions);
        }
        let topic = &request.topic;
        let failed = |reason: &dyn std::fmt::Display| {
            format!("topic {topic} is gone or may not be described, and cannot be made again: {reason}")
        };
        let made = asking.make(&[request], &known, brokers).map_err(|error| failed(&error))?;
        if let Some(TopicProblem::Missing(reason) | TopicProblem::Unfit(reason)) =
            made.refused.first().map(|refused| &refused.problem)
        {
            return Err(failed(reason));
        }
        if made.new.is_empty() {
            // Or somebody else was faster: then it is seen next time.
            return Err(unseen(topic));
        }
        faststream_core::log::warn!(
            "{}: topic {} was deleted, and is made again: what waited in it is gone",
            self.who,
            request.topic
        );
        Ok(before.unwrap_or(0))
    }

    /// Gives a topic that the broker has recreated the partitions and settings that it had. The error is the line
    /// to log.
    ///
    /// Two requests, for the partitions and for the settings: the second is sent even if the broker refuses the
    /// first one for this topic. The next turn tries again.
    fn mend(&self, asking: &Asking, request: &TopicRequest, partitions: i32) -> Result<(), String> {
        let settings = kept::made_with(request.purpose);
        let mend = || -> Result<Vec<String>, KafkaError> {
            let admin = asking.admin()?;
            let count = usize::try_from(partitions).unwrap_or(1);
            let grown = NewPartitions::new(&request.topic, count);
            let grown = self.runtime.block_on(admin.create_partitions(&[grown], &options()))?;
            let empty = AlterConfig::new(ResourceSpecifier::Topic(&request.topic));
            let altered = settings.iter().fold(empty, |altered, (name, value)| altered.set(name, value));
            let altered = self.runtime.block_on(admin.alter_configs(&[altered], &options()))?;
            let grown = grown.into_iter().filter_map(Result::err).map(|(_, code)| code.to_string());
            let altered = altered.into_iter().filter_map(Result::err).map(|(_, code)| code.to_string());
            Ok(grown.chain(altered).collect())
        };
        let smaller = |reason: &dyn std::fmt::Display| {
            format!(
                "topic {} was deleted, and made again by the broker with fewer than {partitions} partitions, which cannot be \
                 changed: {reason}",
                request.topic
            )
        };
        match mend() {
            Ok(refused) if refused.is_empty() => {
                faststream_core::log::warn!(
                    "{}: topic {} was deleted, and made again by the broker: it has {partitions} partitions and its retention \
                     again, and what waited in it is gone",
                    self.who,
                    request.topic
                );
                Ok(())
            }
            Ok(refused) => Err(smaller(&refused.join(", "))),
            Err(error) => Err(smaller(&error)),
        }
    }
}
