//! Answers to rebalances, as the group's protocol requires: the whole assignment, or the changes.

use faststream_core::TopicPartition;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::GroupContext;

/// Where a partition is to begin; `None` leaves it to librdkafka.
pub(super) type StartAt = (TopicPartition, Option<i64>);

pub(super) fn is_cooperative(consumer: &BaseConsumer<GroupContext>) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
}

/// Answers an assignment.
pub(super) fn assign(consumer: &BaseConsumer<GroupContext>, starts: &[StartAt]) -> KafkaResult<()> {
    let list = list(starts)?;
    if is_cooperative(consumer) { consumer.incremental_assign(&list) } else { consumer.assign(&list) }
}

/// Answers a revocation. librdkafka commits the stored offsets.
pub(super) fn unassign(
    consumer: &BaseConsumer<GroupContext>,
    partitions: &[TopicPartition],
) -> KafkaResult<()> {
    if !is_cooperative(consumer) {
        return consumer.unassign();
    }
    consumer.incremental_unassign(&names(partitions)?)
}

/// Restarts partitions of the assignment at these offsets. `all` is the whole assignment, with the next offsets.
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

/// Returns the partitions without offsets.
pub(super) fn names(partitions: &[TopicPartition]) -> KafkaResult<TopicPartitionList> {
    let starts: Vec<StartAt> = partitions.iter().map(|tp| (tp.clone(), None)).collect();
    list(&starts)
}

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
