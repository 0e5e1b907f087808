//! Topics that were deleted and recreated: their offsets belong to other records.
//!
//! librdkafka continues in a new topic at its position in the old one. If the topic is recreated before the next
//! metadata refresh (30 s by default), it does not notice, and skips the first records of the new topic without an
//! error. So the topic's id is compared every few seconds, and committed beside each offset, so that a fetch of
//! the offset compares it, too.
//!
//! The protocol of one topic:
//!
//! 1. A lane begins with the id that was committed beside its offset, or with the current one. If neither is
//!    known, it gets the id from the first answer, and its offset is committed again, with the id.
//! 2. The brokers are asked for the ids of all topics with lanes, in one request (KIP-516; none from brokers
//!    before Kafka 2.8).
//! 3. A lane whose id differs from the answer is fenced at once. The control loop then revokes it like a lost one,
//!    with the difference that the partition stays assigned, and begins at offset 0 of the new topic.
//! 4. An id that was replaced is remembered. A broker that answers with it has old metadata, and is asked again
//!    soon.
//!
//! The metadata of a commit is limited by the broker (`offset.metadata.max.bytes`, 4 KiB by default); the note
//! takes 31 bytes. A broker that refuses it gets commits without a note.

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
/// How long an answer may take. After twice that, the question counts as lost.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The prefix of the id in a commit's metadata.
const PREFIX: &str = "topic-id=";

/// Returns the metadata to commit beside an offset: `topic-id=` and the id.
pub(super) fn note(id: &TopicId) -> String {
    format!("{PREFIX}{id}")
}

/// Returns the topic of a committed offset, if it was noted beside the offset. Metadata of other programs is
/// ignored.
pub(super) fn noted(metadata: &[u8]) -> Option<TopicId> {
    let id = std::str::from_utf8(metadata).ok()?.strip_prefix(PREFIX)?;
    (!id.is_empty()).then(|| TopicId::new(id))
}

/// The topics that exist, according to the brokers' last answer. Owned by the control thread, which never waits
/// for an answer.
#[derive(Default)]
pub(super) struct TopicIds {
    /// The queue of the answers; `None` before the first question.
    queue: Option<AdminQueue>,
    /// When they were asked, until they answer; `None` if no question is in flight.
    asked: Option<Instant>,
    /// When they are asked again; at once if `None`.
    next: Option<Instant>,
    /// The last known id of each topic.
    known: BTreeMap<String, TopicId>,
    /// Ids of topics that no longer exist: a broker that does not know that yet may still return them.
    former: BTreeSet<TopicId>,
    /// Topics that did not exist in the last answer about them, to log when they are back.
    gone: BTreeSet<String>,
}

impl TopicIds {
    /// Compares soon, because a topic may be another one: a position did not exist. Does nothing while a question
    /// is in flight.
    pub(super) fn look_soon(&mut self) {
        if self.asked.is_none() {
            self.next = None;
        }
    }

    /// Returns the last known id of a topic.
    pub(super) fn current(&self, topic: &str) -> Option<TopicId> {
        self.known.get(topic).cloned()
    }

    /// Compares the topics with those in which lanes began, and returns the partitions whose topic is another one:
    /// their lanes are fenced. Never waits: it takes an answer if there is one, and asks if it is time. Not while
    /// a rebalance waits for its answer.
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

    /// Asks brokers which topics exist, if it is time: every 3 s, every second while something is missing, never
    /// without lanes.
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

    /// Handles an answer. Returns false if another request soon is useful, because a topic is missing, an answer
    /// was old, or there was an error.
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

    /// Records the topic's current id: lanes of an earlier one end, and lanes without an id get it.
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
