//! Topics that were deleted and recreated: their offsets belong to other records.
//!
//! librdkafka continues in a new topic at its position in the old one. So the topic's id is compared every few seconds,
//! and committed beside each offset, so that a fetch of the offset compares it, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use faststream_core::TopicPartition;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::client::ConsumerClient;
use super::partitions::Partitions;
use crate::native::{AdminQueue, Answer, TopicId};

/// How often brokers are asked which topics exist.
const EVERY: Duration = Duration::from_secs(3);
/// How often they are asked while a topic is missing, or after an error.
const SOON: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);
/// The prefix of the id in a commit's metadata.
const PREFIX: &str = "topic-id=";

/// Returns the metadata to commit beside an offset.
pub(super) fn note(id: &TopicId) -> String {
    format!("{PREFIX}{id}")
}

/// Returns the topic of a committed offset, if it was noted beside the offset.
pub(super) fn noted(metadata: &[u8]) -> Option<TopicId> {
    let id = std::str::from_utf8(metadata).ok()?.strip_prefix(PREFIX)?;
    (!id.is_empty()).then(|| TopicId::new(id))
}

/// The topics that exist, according to the brokers' last answer.
#[derive(Default)]
pub(super) struct TopicIds {
    queue: Option<AdminQueue>,
    /// When they were asked, until they answer.
    asked: Option<Instant>,
    next: Option<Instant>,
    known: BTreeMap<String, TopicId>,
    /// Ids of topics that no longer exist: a broker that does not know that yet may still return them.
    former: BTreeSet<TopicId>,
    gone: BTreeSet<String>,
}

impl TopicIds {
    /// Compares soon, because a topic may be another one.
    pub(super) fn look_soon(&mut self) {
        if self.asked.is_none() {
            self.next = None;
        }
    }

    pub(super) fn current(&self, topic: &str) -> Option<TopicId> {
        self.known.get(topic).cloned()
    }

    /// Compares the topics with those in which lanes began, and returns the partitions whose topic is another one:
    /// their lanes are fenced. Never waits. Not while a rebalance waits for its answer.
    pub(super) fn compare(
        &mut self,
        client: &Arc<ConsumerClient>,
        partitions: &Partitions,
    ) -> Vec<TopicPartition> {
        let mut remade = Vec::new();
        if let Some((_, answer)) = self.queue.as_ref().and_then(|queue| queue.next(Duration::ZERO)) {
            self.asked = None;
            let is_known = self.learn(client, partitions, answer, &mut remade);
            self.next = Some(Instant::now() + if is_known { EVERY } else { SOON });
        }
        self.ask(client, partitions);
        remade
    }

    /// Asks brokers which topics exist, if it is time.
    fn ask(&mut self, client: &Arc<ConsumerClient>, partitions: &Partitions) {
        let now = Instant::now();
        let is_asking = self.asked.is_some_and(|asked| now < asked + TIMEOUT * 2);
        if is_asking || self.next.is_some_and(|next| now < next) || !partitions.has_lanes() {
            return;
        }
        if self.queue.is_none() {
            self.queue = AdminQueue::new(client.handle());
        }
        let topics: BTreeSet<&str> = partitions.lanes().map(|lane| &*lane.tp.topic).collect();
        let ask = |queue: &AdminQueue| queue.ask_topics(0, topics.into_iter(), TIMEOUT).is_ok();
        self.asked = self.queue.as_ref().is_some_and(ask).then_some(now);
        self.next = Some(now + SOON);
    }

    /// Handles an answer. Returns false if another request soon is useful.
    fn learn(
        &mut self,
        client: &ConsumerClient,
        partitions: &Partitions,
        answer: Answer,
        remade: &mut Vec<TopicPartition>,
    ) -> bool {
        let group = &client.context().group;
        let Answer::Topics(topics) = answer else { return false };
        let mut all_there = true;
        for (topic, id) in topics {
            match id {
                Ok(Some(id)) if self.former.contains(&id) => all_there = false,
                Ok(Some(id)) => {
                    if self.gone.remove(&topic) {
                        faststream_core::log::info!(%group, %topic, "the topic is there again");
                    }
                    self.known.insert(topic.clone(), id.clone());
                    self.learn_one(partitions, group, &topic, &id, remade);
                }
                // From brokers before Kafka 2.8.
                Ok(None) => {}
                Err(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId) => {
                    let text = format_args!(
                        "the topic `{topic}` does not exist any more: its partitions wait; if it is made again, it is read \
                         from its beginning"
                    );
                    client.context().errors.log(&format!("gone {topic}"), text);
                    self.gone.insert(topic);
                    all_there = false;
                }
                Err(_) => all_there = false,
            }
        }
        all_there
    }

    /// Records the topic's current id: lanes of an earlier one end.
    fn learn_one(
        &mut self,
        partitions: &Partitions,
        group: &str,
        topic: &str,
        id: &TopicId,
        remade: &mut Vec<TopicPartition>,
    ) {
        for lane in partitions.lanes().filter(|lane| *lane.tp.topic == *topic) {
            match lane.topic_id() {
                None => lane.set_topic_id(id),
                Some(known) if known == id => {}
                Some(known) => {
                    self.former.insert(known.clone());
                    remade.push(lane.tp.clone());
                    faststream_core::log::warn!(%group, %topic, partition = lane.tp.partition, position = lane.position(),
                        topic_id = %id, before = %known,
                        "the topic was deleted and made again: the partition is read from the new topic's beginning");
                    drop(lane.fence());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_noted_by_us_is_taken_for_a_topic() {
        let id = TopicId::new("Zx3kQ0uPTmSxQ2Yb7bLs1w");
        assert_eq!(noted(note(&id).as_bytes()), Some(id));
        for other in [&b""[..], b"topic-id=", b"Zx3kQ0uPTmSxQ2Yb7bLs1w", b"NONE", b"\xff\xfe"] {
            assert_eq!(noted(other), None);
        }
    }
}
