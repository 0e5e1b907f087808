//! Where a seek goes: the offset of a position in a partition.

use faststream_core::TopicPartition;
use faststream_core::broker::{BrokerError, SeekTo};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};

use super::client::{QuestionContext, REQUEST, partitions};
use crate::config::Secrets;
use crate::connect::on_a_thread;

/// Where a lane of this partition begins after a seek to `to`; see the contract.
pub(crate) async fn find_offset(
    config: ClientConfig,
    who: &str,
    tp: TopicPartition,
    to: SeekTo,
) -> Result<i64, BrokerError> {
    let name = who.to_owned();
    let ask = move |_: &dyn Fn() -> bool| {
        let secrets = Secrets::of(&config);
        let failed = |error: KafkaError| {
            let error = error.to_string();
            BrokerError::new(format!("{name}: asking for an offset of {tp} failed: {}", secrets.hide(&error)))
        };
        let mut config = config;
        config.set("enable.auto.commit", "false").set("statistics.interval.ms", "0");
        let consumer: BaseConsumer<QuestionContext> =
            BaseConsumer::from_config_and_context(&config, QuestionContext::new(&name, &config))
                .map_err(failed)?;
        let known = partitions(&consumer.fetch_metadata(Some(&tp.topic), REQUEST).map_err(failed)?);
        if !(0..known.get(&*tp.topic).copied().unwrap_or(0)).contains(&tp.partition) {
            return Err(BrokerError::new(format!("{name}: {tp} does not exist")));
        }
        let (start, end) = consumer.fetch_watermarks(&tp.topic, tp.partition, REQUEST).map_err(failed)?;
        match to {
            SeekTo::Beginning => Ok(start),
            SeekTo::End => Ok(end),
            SeekTo::Offset(offset) if (start..=end).contains(&offset) => Ok(offset),
            SeekTo::Timestamp(from) => {
                let found = first_from(&consumer, &tp, from).map_err(failed)?;
                Ok(found.unwrap_or(end))
            }
            other => Err(BrokerError::new(format!(
                "{tp} has no {other}: its first offset is {start}, and it ends before {end}"
            ))),
        }
    };
    let answer = on_a_thread(who, ask)?;
    answer.await.unwrap_or_else(|_| Err(BrokerError::new(format!("{who}: the thread that asked ended"))))
}

/// Returns the offset of the first record with this timestamp or a later one.
fn first_from(
    consumer: &BaseConsumer<QuestionContext>,
    tp: &TopicPartition,
    from: i64,
) -> Result<Option<i64>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    // A negative one would be another question.
    asked.add_partition_offset(&tp.topic, tp.partition, Offset::Offset(from.max(0)))?;
    let found = consumer.offsets_for_times(asked, REQUEST)?;
    let Some(element) = found.elements().into_iter().next() else { return Ok(None) };
    element.error()?;
    Ok(match element.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    })
}
