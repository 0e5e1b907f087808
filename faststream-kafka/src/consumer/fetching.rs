//! Stops fetching single partitions, and resumes it at the positions of their lanes.
//!
//! librdkafka keeps a partition paused until it is resumed, even beyond its assignment. So whoever calls `stop`
//! remembers that (`OpenPartition::is_paused`), and `partitions.rs` resumes a former lane's partition for the next
//! one.
//!
//! Not for backpressure: a lane that is not read stops its own fetching when its queue is full. A pause purges the
//! queue, so the records are fetched again. Only memory and corrupt records are worth that.

use std::time::Duration;

use faststream_core::TopicPartition;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::Offset;

use super::assignment;
use super::client::ConsumerClient;
use super::partitions::Partitions;

/// Stops fetching, and frees the queued records: they are fetched again from the lanes' positions. Waits for lanes
/// that are taking a batch, and blocks them meanwhile. If librdkafka refuses the pause, nothing changes.
pub(super) fn stop(client: &ConsumerClient, partitions: &Partitions, some: &[TopicPartition]) {
    // Not while a batch is being taken.
    let held: Vec<_> =
        some.iter().filter_map(|tp| partitions.lane(tp)).map(|lane| (lane, lane.held())).collect();
    if !is_done(client, pause(client, some)) {
        return;
    }
    for (lane, queue) in held {
        // librdkafka leaves outdated records in the queue until somebody consumes from it.
        let has_some = queue.as_ref().is_some_and(|queue| queue.consume(1).len() > 0);
        if has_some {
            // It is fetched again, because librdkafka's position is after it.
            lane.mark_drifted();
        }
    }
}

/// Pauses these partitions in the client.
///
/// # Errors
/// If librdkafka refuses the call.
fn pause(client: &ConsumerClient, some: &[TopicPartition]) -> KafkaResult<()> {
    if some.is_empty() {
        return Ok(());
    }
    client.consumer().pause(&assignment::names(some)?)
}

/// Resumes fetching at the lanes' positions, whatever librdkafka's position is. Call it only while no rebalance
/// waits for its answer. Partitions without a lane are resumed without a seek. A partition
/// that is paused for another reason, too, stays paused.
pub(super) fn resume(client: &ConsumerClient, partitions: &Partitions, some: &[TopicPartition]) {
    let some: Vec<TopicPartition> = some.iter().filter(|tp| !partitions.is_paused(tp)).cloned().collect();
    if some.is_empty() {
        return;
    }
    let consumer = client.consumer();
    for lane in some.iter().filter_map(|tp| partitions.lane(tp)) {
        let next = Offset::Offset(lane.position());
        is_done(client, consumer.seek(&lane.tp.topic, lane.tp.partition, next, Duration::ZERO));
    }
    is_done(client, assignment::names(&some).and_then(|list| consumer.resume(&list)));
}

/// Pauses and resumes in the client what the member has paused and resumed. A partition that is to stay paused for another
/// reason is not resumed. Not while a rebalance waits for its answer, because nothing is fetched then.
pub(super) fn follow_member(client: &ConsumerClient, partitions: &mut Partitions) {
    let (mut stopped, mut resumed) = (Vec::new(), Vec::new());
    for (tp, open) in partitions.open_mut().filter(|(_, open)| open.is_to_change()) {
        if open.change() {
            stopped.push(tp.clone());
        } else {
            resumed.push(tp.clone());
        }
    }
    stop(client, partitions, &stopped);
    resume(client, partitions, &resumed);
}

/// Returns whether the call succeeded, and logs its error otherwise.
fn is_done(client: &ConsumerClient, result: KafkaResult<()>) -> bool {
    if let Err(error) = &result {
        client.context().errors.log("fetching", format_args!("pausing or resuming partitions: {error}"));
    }
    result.is_ok()
}
