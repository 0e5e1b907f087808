//! The answers of a producer: their order, and the flush that waits for them.
//!
//! The checks use the producer as the runtime does: with one mailbox for many records, and with a receipt for
//! each.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::under_test::{PATIENCE, UnderTest, publish, record};
use crate::broker::{Answer, Mailbox};

/// How many records are queued at once, without waiting for an answer.
const RECORDS: usize = 100;
/// The delay of answers, so that records are queued while earlier ones wait.
const DELAY: Duration = Duration::from_millis(100);

/// Checks that the records of a partition are answered in the order in which they were queued, and have their
/// offsets in it.
///
/// The runtime depends on it: it finishes records by the answers of their copies, and lets a later copy begin
/// before an earlier one is confirmed.
pub async fn publishes_are_answered_in_their_order(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "answers-in-order");
    on.create_topic(topic, 1);
    on.delay_answers(DELAY);
    let producer = broker.producer().expect("a producer");
    let mailbox = Arc::new(Mailbox::default());
    let mut answered = Vec::new();
    for number in 0..RECORDS {
        if let Some(known) = producer.enqueue(&record(topic, 0, number), Answer::to(&mailbox, number)) {
            answered.push((number, known.map_err(Box::new)));
        }
    }
    let (began, mut answers) = (Instant::now(), Vec::new());
    while answered.len() < RECORDS {
        assert!(began.elapsed() < PATIENCE, "{} of {RECORDS} are answered", answered.len());
        mailbox.take(&mut answers, Waker::noop());
        answered.append(&mut answers);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let offsets = answered.into_iter().map(|(number, answer)| (number, answer.expect("published").offset));
    assert!(offsets.eq((0..RECORDS).zip(0..)), "the order of answers or of offsets is another one");
}

/// Checks that a flush ends when everything that was queued before it is answered, and not earlier. With nothing
/// queued it ends at once. A shutdown flushes at its end, and the records that its hooks published must not be
/// lost.
pub async fn a_flush_waits_for_every_answer(on: &dyn UnderTest) {
    let (broker, topic) = (on.broker(), "flush");
    on.create_topic(topic, 1);
    publish(&*broker, topic, 0, 1).await;
    let producer = broker.producer().expect("a producer");
    timeout(PATIENCE, producer.flush()).await.expect("nothing is queued");
    on.delay_answers(DELAY);
    let receipts: Vec<_> = (0..RECORDS).map(|number| producer.receipt(&record(topic, 0, number))).collect();
    timeout(PATIENCE, producer.flush()).await.expect("it ends");
    for receipt in receipts {
        let answer = timeout(Duration::ZERO, receipt).await.expect("answered before the flush ended");
        answer.expect("published");
    }
}
