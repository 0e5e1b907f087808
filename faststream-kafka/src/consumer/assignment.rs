//! Answers to rebalances, as the group's protocol requires: the whole assignment, or the changes.
//!
//! librdkafka accepts `assign` and `unassign` only in a group with the eager protocol (`range`, `roundrobin`), and
//! `incremental_assign` and `incremental_unassign` only with a cooperative one (`cooperative-sticky`, KIP-848).
//! The calls go to librdkafka's main thread and back, without the network. Only the control thread makes them.

use faststream_core::TopicPartition;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::GroupContext;

/// Where a partition is to begin: its next offset. `None` leaves it to librdkafka, for a partition whose queue
/// nothing reads yet.
pub(super) type StartAt = (TopicPartition, Option<i64>);

/// Returns whether a rebalance contains only the changes. librdkafka counts KIP-848 as cooperative, and knows the
/// protocol only once the client has joined.
pub(super) fn is_cooperative(consumer: &BaseConsumer<GroupContext>) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
}

/// Answers an assignment: `starts` are all partitions with the eager protocol, else the new ones.
///
/// # Errors
/// If librdkafka refuses the call.
pub(super) fn assign(consumer: &BaseConsumer<GroupContext>, starts: &[StartAt]) -> KafkaResult<()> {
    let list = list(starts)?;
    if is_cooperative(consumer) { consumer.incremental_assign(&list) } else { consumer.assign(&list) }
}

/// Answers a revocation. librdkafka commits the stored offsets of the partitions before it goes on. With the eager
/// protocol all partitions are revoked, whatever `partitions` contains.
///
/// # Errors
/// If librdkafka refuses the call.
pub(super) fn unassign(
    consumer: &BaseConsumer<GroupContext>,
    partitions: &[TopicPartition],
) -> KafkaResult<()> {
    if !is_cooperative(consumer) {
        return consumer.unassign();
    }
    consumer.incremental_unassign(&names(partitions)?)
}

/// Restarts partitions of the assignment at these offsets. `all` is the whole assignment, with the next offsets,
/// because the eager protocol has no smaller restart. Partitions of `some` are not skipped in `all`.
///
/// # Errors
/// If librdkafka refuses a call. The partitions may be unassigned then.
pub(super) fn restart(
    consumer: &BaseConsumer<GroupContext>,
    some: &[StartAt],
    all: &[StartAt],
) -> KafkaResult<()> {
    if !is_cooperative(consumer) {
        return consumer.assign(&list(all)?);
    }
    let partitions: Vec<TopicPartition> = some.iter().map(|(tp, _)| tp.clone()).collect();
    unassign(consumer, &partitions)?;
    assign(consumer, some)
}

/// Returns the partitions as a list of librdkafka, without offsets.
pub(super) fn names(partitions: &[TopicPartition]) -> KafkaResult<TopicPartitionList> {
    let starts: Vec<StartAt> = partitions.iter().map(|tp| (tp.clone(), None)).collect();
    list(&starts)
}

/// Returns the partitions as a list of librdkafka, each with its next offset if it has one.
///
/// # Errors
/// If an offset is negative.
pub(super) fn list(starts: &[StartAt]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(starts.len());
    for (TopicPartition { topic, partition }, start) in starts {
        match start {
            Some(next) => list.add_partition_offset(topic, *partition, Offset::Offset(*next))?,
            None => drop(list.add_partition(topic, *partition)),
        }
    }
    Ok(list)
}
