//! Records that cannot be read: bytes of theirs were changed in a broker's log, or on their way.
//!
//! librdkafka loses its place in such a log: it passes them over, fetches them in a hot loop, or begins the partition anew.
//! Here they are as if held: nothing behind them is handled, and they are fetched again, less and less often.

use faststream_core::TopicPartition;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use faststream_core::broker::Epoch;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::Offset;

use super::client::ConsumerClient;
use super::control::Control;
use super::lane::LaneHandle;
use crate::native::Corruption;

/// The first pause before they are fetched again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Partitions in which something cannot be read.
#[derive(Default)]
pub(super) struct CorruptPartitions(BTreeMap<TopicPartition, Wait>);

impl CorruptPartitions {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct Wait {
    lane: Epoch,
    /// Where it goes on.
    next: i64,
    pause: Duration,
    /// Until when it is not fetched; `None` while it is, to see whether it can be read now.
    until: Option<Instant>,
}

impl Control {
    /// Stops fetching what cannot be read, and fetches it again when it is time. Not while a rebalance waits for its
    /// answer: nothing is fetched then.
    pub(super) fn handle_corrupt(&mut self) {
        if !self.rebalances.is_empty() {
            return;
        }
        let (client, lanes) = (&self.client, &self.lanes);
        self.corrupt.0.retain(|tp, wait| {
            let is_there = lanes.get(tp).is_some_and(|lane| lane.epoch == wait.lane);
            if !is_there && wait.until.is_some() {
                // It is paused for whoever reads it next.
                told(client, client.consumer().resume(&list(tp)));
            }
            is_there
        });
        for (tp, lane) in lanes {
            match (lane.corruption(), self.corrupt.0.get_mut(tp)) {
                (None, None) => {}
                (None, Some(wait)) => {
                    if lane.position() > wait.next {
                        let (TopicPartition { topic, partition }, group) = (tp, &self.request.group);
                        faststream_core::log::info!(%group, %topic, partition, "what was damaged can be read now");
                        self.corrupt.0.remove(tp);
                    }
                }
                (Some(corruption), None) => {
                    let wait = Wait { lane: lane.epoch, next: 0, pause: PAUSES.0 / 2, until: None };
                    stop(client, tp, lane, &corruption, self.corrupt.0.entry(tp.clone()).or_insert(wait));
                }
                (Some(corruption), Some(wait)) => match wait.until {
                    None => stop(client, tp, lane, &corruption, wait),
                    Some(until) if until <= Instant::now() => {
                        wait.until = None;
                        again(client, tp, lane);
                    }
                    Some(_) => {}
                },
            }
        }
    }
}

fn stop(
    client: &ConsumerClient,
    tp: &TopicPartition,
    lane: &LaneHandle,
    corruption: &Corruption,
    wait: &mut Wait,
) {
    told(client, client.consumer().pause(&list(tp)));
    wait.next = lane.position();
    wait.pause = (wait.pause * 2).min(PAUSES.1);
    wait.until = Some(Instant::now() + wait.pause);
    let (TopicPartition { topic, partition }, Corruption { offset, reason }) = (tp, corruption);
    let text = format_args!(
        "{topic}/{partition}: what is at offset {offset} cannot be read: {reason}; nothing from there on is handled, and it is \
         fetched again, at last every {:?}: mend the log, or commit an offset behind it to give it up",
        PAUSES.1
    );
    client.context().errors.log(&format!("{topic}/{partition} is damaged"), text);
}

fn again(client: &ConsumerClient, tp: &TopicPartition, lane: &LaneHandle) {
    let (consumer, next) = (client.consumer(), Offset::Offset(lane.position()));
    // Wherever librdkafka has gone meanwhile.
    told(client, consumer.seek(&tp.topic, tp.partition, next, Duration::ZERO));
    told(client, consumer.resume(&list(tp)));
    lane.look_again();
}

fn list(TopicPartition { topic, partition }: &TopicPartition) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, *partition);
    list
}

fn told(client: &ConsumerClient, result: KafkaResult<()>) {
    if let Err(error) = result {
        client.context().errors.log("damaged", format_args!("fetching damaged records again: {error}"));
    }
}
