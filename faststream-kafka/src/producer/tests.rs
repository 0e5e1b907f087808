use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use faststream_core::broker::{Producer, PublishError, PublishErrorKind, Published, Receipt};
use faststream_core::record::{Outgoing, Partition};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tokio::time::timeout;

use super::KafkaProducer;
use super::faults::FaultPoint;

const DEADLINE: Duration = Duration::from_secs(20);

fn producer(address: &str, properties: &[(&str, &str)]) -> KafkaProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config.extend(properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    KafkaProducer::new(config, "test", &std::sync::Arc::default()).expect("a producer")
}

async fn answer(receipt: Receipt) -> Result<Published, PublishError> {
    timeout(DEADLINE, receipt).await.expect("every receipt is answered")
}

#[tokio::test]
async fn a_record_that_is_not_delivered_is_told_whatever_its_headers_are_called() {
    // No broker listens there.
    let producer = producer("127.0.0.1:1", &[("message.timeout.ms", "300")]);
    for name in [&b"\xff\xfe"[..], b"", b"plain"] {
        let mut record = Outgoing::new("anything", "x");
        record.headers.push((Bytes::copy_from_slice(name), None));
        let error = answer(producer.receipt(&record)).await.expect_err("nobody was there");
        assert_eq!(error.kind, PublishErrorKind::Retriable, "{error}");
    }
}

#[tokio::test]
async fn a_panic_on_the_producers_thread_costs_no_more_than_the_record_it_came_at() {
    let mock: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).expect("a cluster");
    mock.create_topic("orders", 1, 1).expect("a topic");
    for (place, lost) in [(FaultPoint::Delivery, 1), (FaultPoint::Turn, 0), (FaultPoint::Again, 1)] {
        // All in one batch, so that others are reported after the one that panics.
        let producer = producer(&mock.bootstrap_servers(), &[("linger.ms", "100")]);
        let state = &producer.shared.state;
        state.bugs.inject(place);
        let receipts: Vec<_> = (0..10)
            .map(|number| {
                let wished = if number == 3 { Partition::IfExists(7) } else { Partition::ByKey };
                producer.receipt(&Outgoing { partition: wished, ..Outgoing::new("orders", "x") })
            })
            .collect();
        let mut ends = BTreeMap::<_, usize>::new();
        for receipt in receipts {
            let end =
                answer(receipt).await.map_or_else(|error| format!("{:?}", error.kind), |_| "there".into());
            *ends.entry(end).or_default() += 1;
        }
        let refused = ends.get("Retriable").copied().unwrap_or_default();
        assert_eq!((ends.get("there"), refused), (Some(&(10 - lost)), lost), "{place:?}: {ends:?}");
        let over = async {
            while !state.bugs.are_over() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(DEADLINE, over).await.expect("it panicked");
        answer(producer.receipt(&Outgoing::new("orders", "later"))).await.expect("the thread lives");
        timeout(DEADLINE, producer.flush()).await.expect("nothing is on its way");
    }
}
