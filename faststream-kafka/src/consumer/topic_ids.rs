//! Topics that were deleted and made again: their offsets are those of other records.
//!
//! librdkafka goes on in a new topic where it was in the old one. So the topic's id is compared every few seconds, and it is
//! committed beside each offset: whoever fetches that compares it, too.

use faststream_core::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode as Code;

use super::control::Control;
use super::rebalances::{Rebalance, Revoke};
use crate::native::{AdminQueue, Answer, TopicId};

/// How often brokers are asked which topics there are.
const EVERY: Duration = Duration::from_secs(3);
/// How often while one of them is gone, or after an error.
const SOON: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);
/// What the id is committed with.
const PREFIX: &str = "topic-id=";

/// What is committed beside an offset.
pub(super) fn note(id: &TopicId) -> String {
    format!("{PREFIX}{id}")
}

/// The topic that a committed offset is of, if that was noted beside it.
pub(super) fn noted(metadata: &[u8]) -> Option<TopicId> {
    let id = std::str::from_utf8(metadata).ok()?.strip_prefix(PREFIX)?;
    (!id.is_empty()).then(|| TopicId::new(id))
}

/// Which topics there are, as brokers said last.
#[derive(Default)]
pub(super) struct TopicIds {
    queue: Option<AdminQueue>,
    /// When they were asked, until they answer.
    asked: Option<Instant>,
    next: Option<Instant>,
    known: BTreeMap<String, TopicId>,
    /// Of topics that are no more: a broker that has not heard of that may still name them.
    former: BTreeSet<TopicId>,
    gone: BTreeSet<String>,
}

impl TopicIds {
    /// Something says that a topic may be another one.
    pub(super) fn look_soon(&mut self) {
        if self.asked.is_none() {
            self.next = None;
        }
    }

    pub(super) fn current(&self, topic: &str) -> Option<TopicId> {
        self.known.get(topic).cloned()
    }
}

impl Control {
    /// Looks whether the topics are those that lanes began in. Never waits. Not while a rebalance waits for its answer.
    pub(super) fn compare_topics(&mut self) {
        if !self.rebalances.is_empty() {
            return;
        }
        if let Some(answer) = self.topic_ids.queue.as_ref().and_then(|queue| queue.next(Duration::ZERO)) {
            self.topic_ids.asked = None;
            let pause = if self.learn_topics(answer.1) { EVERY } else { SOON };
            self.topic_ids.next = Some(Instant::now() + pause);
        }
        let now = Instant::now();
        let is_asking = self.topic_ids.asked.is_some_and(|asked| now < asked + TIMEOUT * 2);
        if is_asking || self.lanes.is_empty() || self.topic_ids.next.is_some_and(|next| now < next) {
            return;
        }
        if self.topic_ids.queue.is_none() {
            self.topic_ids.queue = AdminQueue::new(&self.client);
        }
        let Some(queue) = &self.topic_ids.queue else { return };
        let topics: BTreeSet<&str> = self.lanes.keys().map(|tp| &*tp.topic).collect();
        let asked = queue.ask_topics(0, topics.into_iter(), TIMEOUT);
        self.topic_ids.asked = asked.is_ok().then_some(now);
        self.topic_ids.next = Some(now + SOON);
    }

    /// False if it is worth asking again soon.
    fn learn_topics(&mut self, answer: Answer) -> bool {
        let Answer::Topics(topics) = answer else { return false };
        let mut all_there = true;
        for (topic, id) in topics {
            match id {
                Ok(Some(id)) if self.topic_ids.former.contains(&id) => all_there = false,
                Ok(Some(id)) => {
                    if self.topic_ids.gone.remove(&topic) {
                        faststream_core::log::info!(group = %self.request.group, %topic, "the topic is there again");
                    }
                    self.topic_ids.known.insert(topic.clone(), id.clone());
                    self.learn_topic(&topic, &id);
                }
                // Of brokers before Kafka 2.8.
                Ok(None) => {}
                Err(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId) => {
                    let text = format_args!(
                        "the topic `{topic}` does not exist any more: its partitions wait; if it is made again, it is read \
                         from its beginning"
                    );
                    self.client.context().errors.log(&format!("gone {topic}"), text);
                    self.topic_ids.gone.insert(topic);
                    all_there = false;
                }
                Err(_) => all_there = false,
            }
        }
        all_there
    }

    fn learn_topic(&mut self, topic: &str, id: &TopicId) {
        let mut remade: Vec<TopicPartition> = Vec::new();
        for (tp, lane) in self.lanes.iter().filter(|(tp, _)| *tp.topic == *topic) {
            match lane.topic_id() {
                None => lane.set_topic_id(id),
                Some(known) if known == id => {}
                Some(known) => {
                    self.topic_ids.former.insert(known.clone());
                    remade.push(tp.clone());
                    faststream_core::log::warn!(group = %self.request.group, %topic, partition = tp.partition, position = lane.position(),
                        topic_id = %id, before = %known,
                        "the topic was deleted and made again: the partition is read from the new topic's beginning");
                    drop(lane.fence());
                }
            }
        }
        if !remade.is_empty() {
            let kind = Revoke::Remade;
            self.rebalances.push_back(Rebalance::Revoke {
                partitions: remade,
                kind,
                id: None,
                answered: None,
            });
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
