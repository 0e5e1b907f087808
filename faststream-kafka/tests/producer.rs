//! The producer against librdkafka's mock cluster.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use faststream_core::broker::{Broker, Producer, PublishError, PublishErrorKind};
use faststream_core::record::{Outgoing, Partition};
use faststream_kafka::Kafka;
use futures_util::FutureExt;
use rdkafka::message::{Headers, Message, Timestamp};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::{Cluster, within};

const TOPIC: &str = "orders";

fn record(payload: &str) -> Outgoing {
    Outgoing::new(TOPIC, payload.to_owned())
}

fn keyed(key: &str) -> Outgoing {
    Outgoing { key: Some(Bytes::copy_from_slice(key.as_bytes())), ..record("x") }
}

async fn refused(producer: &Arc<dyn Producer>, record: Outgoing) -> PublishError {
    within(20, producer.receipt(&record)).await.expect_err("refused")
}

#[tokio::test]
async fn a_record_arrives_as_it_was_and_its_receipt_tells_where() {
    let cluster = Cluster::with_topic(TOPIC, 2);
    let producer = cluster.kafka().producer().unwrap();
    let header = |name: &'static [u8], value: Option<&'static [u8]>| {
        (Bytes::from_static(name), value.map(Bytes::from_static))
    };
    let full = Outgoing {
        partition: Partition::Exactly(1),
        key: Some("k".into()),
        headers: vec![header(b"a", Some(b"1")), header(b"a", None), header(b"b", Some(b"\xff"))],
        timestamp: Some(1_234_567),
        ..record("one")
    };
    let tombstone = Outgoing { payload: None, key: Some(Bytes::new()), ..full.clone() };
    let empty = Outgoing { payload: Some(Bytes::new()), key: None, headers: Vec::new(), ..full.clone() };
    for (offset, record) in [full, tombstone, empty].into_iter().enumerate() {
        let published = within(10, producer.receipt(&record)).await.unwrap();
        assert_eq!((published.partition, published.offset), (1, i64::try_from(offset).unwrap()));
    }

    let read = cluster.read(TOPIC, 1, 3);
    let keys: Vec<_> = read.iter().map(Message::key).collect();
    assert_eq!(keys, [Some(&b"k"[..]), Some(b""), None]);
    let payloads: Vec<_> = read.iter().map(Message::payload).collect();
    assert_eq!(payloads, [Some(&b"one"[..]), None, Some(b"")]);
    assert_eq!(read[0].timestamp(), Timestamp::CreateTime(1_234_567));
    let headers: Vec<_> =
        read[0].headers().unwrap().iter().map(|header| (header.key.to_owned(), header.value)).collect();
    let expected: [(String, Option<&[u8]>); 3] =
        [("a".into(), Some(b"1")), ("a".into(), None), ("b".into(), Some(b"\xff"))];
    assert_eq!(headers, expected);
    assert!(read[2].headers().is_none(), "no header is added");
}

#[tokio::test]
async fn keys_choose_the_partitions_that_the_java_client_chooses() {
    let cluster = Cluster::with_topic(TOPIC, 16);
    let producer = cluster.kafka().producer().unwrap();
    // The vectors of Kafka's own test of murmur2.
    for (key, hash) in [
        ("21", -973_932_308_i32),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        let published = within(10, producer.receipt(&keyed(key))).await.unwrap();
        assert_eq!(published.partition, (hash & i32::MAX) % 16, "{key}");
    }
}

#[tokio::test]
async fn a_partition_that_does_not_exist_is_refused_or_replaced_by_the_keys() {
    let cluster = Cluster::with_topic(TOPIC, 4);
    let by_key =
        within(10, cluster.kafka().producer().unwrap().receipt(&keyed("abc"))).await.unwrap().partition;
    let producer = cluster.kafka().producer().unwrap();
    // The first is sent before the client knows the topic, the second after.
    for _ in 0..2 {
        let wished = Outgoing { partition: Partition::IfExists(99), ..keyed("abc") };
        assert_eq!(within(10, producer.receipt(&wished)).await.unwrap().partition, by_key);
        let exact = Outgoing { partition: Partition::Exactly(99), ..keyed("abc") };
        let error = refused(&producer, exact).await;
        assert_eq!(error.kind, PublishErrorKind::Permanent);
        assert!(error.to_string().starts_with("publishing to topic orders: UnknownPartition"), "{error}");
    }
    let there = Outgoing { partition: Partition::IfExists(3), ..keyed("abc") };
    assert_eq!(within(10, producer.receipt(&there)).await.unwrap().partition, 3);
    let negative = Outgoing { partition: Partition::Exactly(-1), ..keyed("abc") };
    assert_eq!(refused(&producer, negative).await.kind, PublishErrorKind::Permanent);
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_for_good_with_its_size() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    let producer = cluster.kafka().producer().unwrap();
    let error = refused(&producer, record(&"x".repeat(1_000_001))).await;
    assert_eq!(error.kind, PublishErrorKind::Permanent);
    assert_eq!(error.topic, TOPIC);
    assert!(error.message.contains("the record has 1000001 bytes: make it smaller"), "{error}");
}

#[tokio::test]
async fn what_lies_in_the_record_is_permanent_and_what_lies_in_the_cluster_is_denied() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    let producer = cluster.kafka().producer().unwrap();
    let (denied, permanent) = (PublishErrorKind::Denied, PublishErrorKind::Permanent);
    for (error, kind) in [
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, permanent),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD, permanent),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_POLICY_VIOLATION, denied),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, denied),
    ] {
        within(10, producer.receipt(&record("x"))).await.expect("published before and after");
        cluster.mock.request_errors(RDKafkaApiKey::Produce, &[error]);
        assert_eq!(refused(&producer, record("x")).await.kind, kind, "{error:?}");
    }
}

#[tokio::test]
async fn what_heals_is_retried_below_and_never_seen() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    let producer = cluster.kafka().producer().unwrap();
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    cluster.mock.request_errors(RDKafkaApiKey::Produce, &errors);
    within(20, producer.receipt(&record("x"))).await.expect("published");
}

/// Ten records of one batch: what became of each, and what was written.
async fn batch_of_ten(cluster: &Cluster, errors: &[RDKafkaRespErr]) -> Vec<Result<i64, PublishErrorKind>> {
    let producer = cluster.kafka().property("linger.ms", "200").producer().expect("a producer");
    within(10, producer.receipt(&record("first"))).await.expect("connected");
    cluster.mock.request_errors(RDKafkaApiKey::Produce, errors);
    let receipts: Vec<_> = (0..10).map(|number| producer.receipt(&record(&number.to_string()))).collect();
    // A flush waits for what is sent again, too.
    within(20, producer.flush()).await;
    let mut ends = Vec::new();
    for receipt in receipts {
        let end = receipt.now_or_never().expect("answered before the flush ends");
        ends.push(end.map(|published| published.offset).map_err(|error| error.kind));
    }
    ends
}

#[tokio::test]
async fn a_batch_that_is_refused_is_sent_again_record_by_record_and_only_then_judged() {
    const FINE: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
    ] {
        let cluster = Cluster::with_topic(TOPIC, 1);
        let ends = batch_of_ten(&cluster, &[error]).await;
        assert_eq!(ends, (1..=10).map(Ok).collect::<Vec<_>>(), "{error:?}: all written, in order");
        let read = cluster.read(TOPIC, 0, 11);
        let written: Vec<_> = read.iter().skip(1).map(|record| record.payload().unwrap().to_vec()).collect();
        let expected: Vec<_> = (0..10).map(|number| number.to_string().into_bytes()).collect();
        assert_eq!(written, expected, "{error:?}");

        let ends = batch_of_ten(&cluster, &[error, FINE, FINE, error]).await;
        let refused = ends.iter().filter(|end| end.is_err()).count();
        assert_eq!(
            (refused, ends[2]),
            (1, Err(PublishErrorKind::Permanent)),
            "{error:?}: alone the third is judged"
        );
    }
}

#[tokio::test]
async fn new_records_line_up_behind_those_of_a_refused_batch() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    let producer = cluster.kafka().property("linger.ms", "20").producer().unwrap();
    within(10, producer.receipt(&record("first"))).await.expect("connected");
    cluster
        .mock
        .request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 3]);
    // Many batches, while the first ones are refused.
    let mut receipts = Vec::new();
    for number in 0..400 {
        receipts.push(producer.receipt(&record(&number.to_string())));
        if number % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let mut refused = 0;
    let mut offsets = Vec::new();
    for receipt in receipts {
        match within(20, receipt).await {
            Ok(published) => offsets.push(published.offset),
            Err(_) => refused += 1,
        }
    }
    // The second and third error may meet a record alone.
    assert!(refused <= 2, "{refused} are refused");
    assert_eq!(offsets.len(), 400 - refused);
    let passed = offsets.windows(2).filter(|pair| pair[1] < pair[0]).count();
    // What was in the pipeline when a batch was refused may pass it, a batch or two; nothing later.
    assert!(passed <= 3, "{passed} steps back in {offsets:?}");
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_named_with_the_cure() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    cluster.mock.topic_error("missing", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let kafka = cluster.kafka().property("topic.metadata.propagation.max.ms", "200");
    let producer = kafka.producer().unwrap();
    let error = refused(&producer, Outgoing::new("missing", "x")).await;
    assert_eq!(error.kind, PublishErrorKind::Denied);
    assert!(error.to_string().contains("topic missing: UnknownTopic"), "{error}");
    assert!(error.message.contains("create it"), "{error}");
    let error = refused(&producer, Outgoing::new("no\0topic", "x")).await;
    assert_eq!(error.kind, PublishErrorKind::Permanent);
}

#[tokio::test]
async fn a_full_queue_and_a_silent_broker_may_be_tried_again() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    let kafka = cluster
        .kafka()
        .property("queue.buffering.max.messages", "3")
        .property("message.timeout.ms", "1500")
        .property("reconnect.backoff.max.ms", "100");
    let producer = kafka.producer().unwrap();
    within(10, producer.receipt(&record("x"))).await.unwrap();
    cluster.mock.broker_down(1).unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| producer.receipt(&record("x"))).collect();
    let start = Instant::now();
    let full = refused(&producer, record("x")).await;
    assert_eq!(full.kind, PublishErrorKind::QueueFull);
    assert!(start.elapsed() < Duration::from_millis(200), "told at once: {:?}", start.elapsed());
    let silent = within(10, waiting.remove(0)).await.expect_err("timed out");
    assert_eq!(silent.kind, PublishErrorKind::Retriable);
    assert!(silent.message.contains("message.timeout.ms"), "{silent}");
    cluster.mock.broker_up(1).unwrap();
    // As often as it takes: until the client is connected again, records go on timing out.
    let again = async {
        while let Err(error) = producer.receipt(&record("x")).await {
            assert_ne!(error.kind, PublishErrorKind::Permanent, "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(20, again).await;
}

#[tokio::test]
async fn a_client_beyond_repair_is_replaced() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.mock.request_errors(RDKafkaApiKey::InitProducerId, &[refusal]);
    let producer = cluster.kafka().producer().unwrap();
    let mut refusals = 0;
    let published = within(20, async {
        loop {
            match producer.receipt(&record("x")).await {
                Ok(published) => return published,
                Err(_) => refusals += 1,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(published.await.offset, 0);
    assert!(refusals > 0, "the fatal error was never seen");
}

#[tokio::test]
async fn flush_resolves_when_all_that_was_queued_is_answered() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    cluster.mock.broker_round_trip_time(1, Duration::from_millis(200)).unwrap();
    let producer = cluster.kafka().producer().unwrap();
    let mut receipts: Vec<_> = (0..100).map(|_| producer.receipt(&record("x"))).collect();
    within(20, producer.flush()).await;
    for receipt in &mut receipts {
        // Not awaited for: ready now.
        let ready = within(1, async {
            tokio::select! { biased; it = receipt => Some(it), () = async {} => None }
        });
        ready.await.expect("answered").expect("published");
    }
    within(1, producer.flush()).await;
}

#[tokio::test]
async fn dropping_blocks_nobody_and_answers_what_is_queued() {
    let cluster = Cluster::with_topic(TOPIC, 1);
    let kafka = cluster.kafka();
    let producer = kafka.producer().unwrap();
    within(10, producer.receipt(&record("x"))).await.unwrap();
    cluster.mock.broker_down(1).unwrap();
    let waiting = producer.receipt(&record("x"));
    let start = Instant::now();
    drop((producer, kafka));
    assert!(start.elapsed() < Duration::from_millis(50), "{:?}", start.elapsed());
    let error = within(5, waiting).await.expect_err("not published");
    assert_eq!(error.kind, PublishErrorKind::Retriable);
}

#[tokio::test]
async fn settings_that_the_library_refuses_make_no_producer() {
    let kafka = Kafka::new("localhost:1").property("acks", "1").property("enable.idempotence", "true");
    let error = kafka.producer().err().expect("refused").to_string();
    assert!(
        error.contains("kafka at localhost:1: no producer can be made") && error.contains("acks"),
        "{error}"
    );
    assert!(kafka.connect().await.is_err(), "waiting cures nothing");
}
