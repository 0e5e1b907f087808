//! The requests of an offset search that brokers have not answered yet.
//!
//! Requests to different brokers are in flight at the same time, and a number matches each answer to its question.
//! So a slow leader delays only its own partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use faststream_core::TopicPartition;
use rdkafka::types::RDKafkaErrorCode;

use super::client::ConsumerClient;
use crate::native::{AdminQueue, Answer, End};

/// How long an answer may take. Then it is an error, so every request gets exactly one answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The pending requests, each with a number.
pub(super) struct Questions {
    /// The queue on which librdkafka puts the answers.
    queue: AdminQueue,
    /// The number of the last request. Numbers are never used twice.
    last: usize,
    /// The requests without an answer.
    open: BTreeMap<usize, Question>,
}

/// What a broker was asked.
pub(super) enum Question {
    /// Which topics exist.
    Topics,
    /// Where the partition begins: at the beginning or the end of its log.
    Begin(TopicPartition),
    /// The oldest record of a partition that begins at its end.
    Oldest(TopicPartition),
}

impl Questions {
    /// Returns a set without requests; `None` if the client has no queue for the answers.
    pub(super) fn new(client: &Arc<ConsumerClient>) -> Option<Self> {
        Some(Self { queue: AdminQueue::new(client.handle())?, last: 0, open: BTreeMap::new() })
    }

    /// Requests the topics that exist. Returns false if no answer follows.
    pub(super) fn ask_topics(&mut self, partitions: &[TopicPartition]) -> bool {
        let topics: BTreeSet<&str> = partitions.iter().map(|tp| &*tp.topic).collect();
        self.last += 1;
        let is_asked = self.queue.ask_topics(self.last, topics.into_iter(), TIMEOUT).is_ok();
        if is_asked {
            self.open.insert(self.last, Question::Topics);
        }
        is_asked
    }

    /// Requests from a partition's leader where its log begins or ends.
    ///
    /// # Errors
    /// If no answer follows.
    pub(super) fn ask_offset(
        &mut self,
        tp: &TopicPartition,
        end: End,
        question: impl FnOnce(TopicPartition) -> Question,
    ) -> Result<(), RDKafkaErrorCode> {
        self.last += 1;
        self.queue.ask_offset(self.last, (&tp.topic, tp.partition), end, TIMEOUT)?;
        self.open.insert(self.last, question(tp.clone()));
        Ok(())
    }

    /// Returns the next answer, with its request; `None` if none arrived in time. Blocks for `wait` at most.
    pub(super) fn next(&mut self, wait: Duration) -> Option<(Question, Answer)> {
        loop {
            let (number, answer) = self.queue.next(wait)?;
            if let Some(question) = self.open.remove(&number) {
                return Some((question, answer));
            }
        }
    }

    /// Returns whether a partition waits for the answer where it begins.
    pub(super) fn is_waited_for(&self) -> bool {
        self.open.values().any(|question| matches!(question, Question::Begin(_)))
    }
}
