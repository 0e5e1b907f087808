//! Questions of a search for offsets that brokers have not answered yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use faststream_core::TopicPartition;
use rdkafka::types::RDKafkaErrorCode;

use super::client::ConsumerClient;
use crate::native::{AdminQueue, Answer, End};

/// What an answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What the brokers were asked, each question with a number.
pub(super) struct Questions {
    queue: AdminQueue,
    last: usize,
    open: BTreeMap<usize, Question>,
}

pub(super) enum Question {
    /// Which topics there are.
    Topics,
    /// Where the partition begins.
    Begin(TopicPartition),
    /// What is the oldest record of a partition that begins at its end.
    Oldest(TopicPartition),
}

impl Questions {
    /// `None` if the client has no queue for the answers.
    pub(super) fn new(client: &Arc<ConsumerClient>) -> Option<Self> {
        Some(Self { queue: AdminQueue::new(client.handle())?, last: 0, open: BTreeMap::new() })
    }

    /// Asks which topics there are. False if no answer follows.
    pub(super) fn ask_topics(&mut self, partitions: &[TopicPartition]) -> bool {
        let topics: BTreeSet<&str> = partitions.iter().map(|tp| &*tp.topic).collect();
        self.last += 1;
        let is_asked = self.queue.ask_topics(self.last, topics.into_iter(), TIMEOUT).is_ok();
        if is_asked {
            self.open.insert(self.last, Question::Topics);
        }
        is_asked
    }

    /// Asks a partition's leader where its log begins or ends.
    ///
    /// # Errors
    /// No answer follows.
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

    /// The next answer, with its question. `None` if none came in time.
    pub(super) fn next(&mut self, wait: Duration) -> Option<(Question, Answer)> {
        loop {
            let (number, answer) = self.queue.next(wait)?;
            if let Some(question) = self.open.remove(&number) {
                return Some((question, answer));
            }
        }
    }

    /// Whether a partition waits for an answer where it begins.
    pub(super) fn is_waited_for(&self) -> bool {
        self.open.values().any(|question| matches!(question, Question::Begin(_)))
    }
}
