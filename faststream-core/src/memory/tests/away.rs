//! A broker that is away, or whose answers come late: who waits for it, and for how long.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::broker::{Broker, Producer, Receipt};
use crate::memory::MemoryBroker;
use crate::record::Outgoing;

fn enqueue(producer: &dyn Producer, payload: &'static str) -> Receipt {
    producer.receipt(&Outgoing::new("out", payload))
}

/// Flushes, and returns how long that took and where the records are.
async fn flush(producer: &dyn Producer, receipts: Vec<Receipt>) -> (Duration, Vec<i64>) {
    let began = Instant::now();
    timeout(Duration::from_secs(60), producer.flush()).await.expect("the flush ends");
    let took = began.elapsed();
    let mut offsets = Vec::new();
    for receipt in receipts {
        let answer = timeout(Duration::ZERO, receipt).await.expect("answered before the flush ended");
        offsets.push(answer.expect("published").offset);
    }
    (took, offsets)
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_delayed_publishes_also_where_no_group_was_joined() {
    let broker = MemoryBroker::new();
    let producer = broker.producer().expect("always there");
    broker.delay_publishes(Duration::from_secs(2));
    let receipts = vec![enqueue(&*producer, "a"), enqueue(&*producer, "b")];
    assert_eq!(flush(&*producer, receipts).await, (Duration::from_secs(2), vec![0, 1]));
    assert_eq!(flush(&*producer, Vec::new()).await.0, Duration::ZERO, "nothing was queued since");
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_the_end_of_an_outage() {
    let broker = MemoryBroker::new();
    let producer = broker.producer().expect("always there");
    broker.disconnect(Duration::from_secs(3));
    let receipts = vec![enqueue(&*producer, "a")];
    assert_eq!(flush(&*producer, receipts).await, (Duration::from_secs(3), vec![0]));
}

#[tokio::test(start_paused = true)]
async fn connecting_waits_until_the_broker_answers() {
    let broker = MemoryBroker::new();
    let began = Instant::now();
    broker.connect().await.expect("it answers");
    assert_eq!(began.elapsed(), Duration::ZERO);
    broker.disconnect(Duration::from_secs(200));
    let connected = timeout(Duration::from_secs(300), broker.connect()).await;
    assert_eq!((connected, began.elapsed()), (Ok(Ok(())), Duration::from_secs(200)));
}

#[tokio::test(start_paused = true)]
async fn topics_and_backlog_wait_for_an_answer_and_fail_without_one() {
    let broker = MemoryBroker::new();
    broker.create_topic("orders", 2);
    broker.append(Outgoing::new("orders", "x")).expect("it appends");
    let names = ["orders".to_owned()];
    broker.disconnect(Duration::from_secs(4));
    let began = Instant::now();
    assert_eq!(broker.topics().await, Ok(vec![("orders".to_owned(), 2)]));
    assert_eq!(began.elapsed(), Duration::from_secs(4));
    broker.disconnect(Duration::from_secs(4));
    assert_eq!(broker.backlog("billing", &names).await, Ok(vec![("orders".to_owned(), 1)]));
    assert_eq!(began.elapsed(), Duration::from_secs(8));
    broker.disconnect(Duration::from_secs(60));
    let failed = broker.topics().await.expect_err("it does not answer");
    assert_eq!(
        failed.to_string(),
        "the in-memory broker: asking for the topics failed: no answer within 10s, disconnected"
    );
    let failed = broker.backlog("billing", &names).await.expect_err("it does not answer");
    assert!(failed.to_string().contains("asking for the backlog failed"), "{failed}");
    assert_eq!(began.elapsed(), Duration::from_secs(28));
}

#[test]
fn time_passes_on_a_runtime_that_follows_another() {
    let broker = MemoryBroker::new();
    let run = |payload: &'static str| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let producer = broker.producer().expect("always there");
            broker.delay_publishes(Duration::from_secs(2));
            let receipts = vec![enqueue(&*producer, payload)];
            flush(&*producer, receipts).await.1
        })
    };
    assert_eq!((run("a"), run("b")), (vec![0], vec![1]));
}
