//! How many records wait in topics that nobody reads: retry topics whose delay was removed from the handler. The
//! startup warns of them.
//!
//! One consumer for all topics, without a membership. Its requests run one after another, which is enough for a
//! warning: with many partitions it takes a while, on a thread for which the startup does not wait longer than its
//! own limit.

use std::thread;
use std::time::{Duration, Instant};

use faststream_core::broker::BrokerError;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};

use super::client::{QuestionContext, REQUEST, partitions};
use crate::config::Secrets;
use crate::connect::on_a_thread;

/// How long the coordinator of the group is asked again: it may be starting, or moving to another broker.
const COORDINATOR: Duration = Duration::from_secs(5);

/// Returns how many records of each topic the group has not committed; see `Broker::backlog`.
///
/// `config` is that of a client that asks about the group. The client neither joins the group nor commits.
/// Dropping the future ends the retries.
///
/// # Errors
/// If the coordinator or a leader does not answer for 5 s.
pub(crate) async fn backlog(
    config: ClientConfig,
    who: &str,
    topics: Vec<String>,
) -> Result<Vec<(String, u64)>, BrokerError> {
    let name = who.to_owned();
    let ask = move |is_wanted: &dyn Fn() -> bool| {
        let secrets = Secrets::of(&config);
        let failed =
            |error: KafkaError| BrokerError::new(format!("{name}: {}", secrets.hide(&error.to_string())));
        let mut config = config;
        config.set("enable.auto.commit", "false").set("statistics.interval.ms", "0");
        let consumer: BaseConsumer<QuestionContext> =
            BaseConsumer::from_config_and_context(&config, QuestionContext::new(&name, &config))
                .map_err(failed)?;
        let waiting = |topic: String| {
            // The coordinator may be starting, or moving.
            let until = Instant::now() + COORDINATOR;
            loop {
                match waiting(&consumer, &topic) {
                    Ok(records) => return Ok((topic, records)),
                    Err(error) if Instant::now() > until || !is_wanted() => return Err(failed(error)),
                    Err(_) => thread::sleep(Duration::from_millis(100)),
                }
            }
        };
        topics.into_iter().map(waiting).collect()
    };
    let answer = on_a_thread(who, ask)?;
    answer.await.unwrap_or_else(|_| Err(BrokerError::new(format!("{who}: the thread that asked ended"))))
}

/// Returns the records between the committed offset and the end, of all partitions of a topic. Without a committed
/// offset, or with one before the log's beginning, they count from the beginning. Asks the leaders one after
/// another.
fn waiting(consumer: &BaseConsumer<QuestionContext>, topic: &str) -> Result<u64, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST)?;
    let mut asked = TopicPartitionList::new();
    for partition in 0..partitions(&metadata).get(topic).copied().unwrap_or(0) {
        asked.add_partition(topic, partition);
    }
    let mut records = 0;
    for place in consumer.committed_offsets(asked, REQUEST)?.elements() {
        let (start, end) = consumer.fetch_watermarks(topic, place.partition(), REQUEST)?;
        let next = if let Offset::Offset(next) = place.offset() { next.max(start) } else { start };
        records += u64::try_from(end - next).unwrap_or(0);
    }
    Ok(records)
}
