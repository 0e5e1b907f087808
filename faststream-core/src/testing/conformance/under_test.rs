//! The backend under test, and the records that checks publish to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::broker::Broker;
use crate::record::{Outgoing, Partition};

/// How long a check waits for anything that has to happen. Far longer than a join of a group takes on a busy
/// machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A backend, and the means by which a check prepares its broker.
///
/// The tests of this workspace implement it three times, in `tests/conformance/backend.rs`.
pub trait UnderTest: fmt::Debug {
    /// Returns the broker; each call may return another handle to the same one.
    fn broker(&self) -> Arc<dyn Broker>;

    /// Creates a topic that does not exist yet. It can be written and read when this returns.
    fn create_topic(&self, topic: &str, partitions: i32);

    /// Delays the broker's answers to commits and publishes by `delay` from now on. A backend whose broker cannot do
    /// that does nothing, and the check then proves less.
    fn delay_answers(&self, delay: Duration);
}

/// Returns a record for a partition, with its number as payload and no key.
pub(super) fn record(topic: &str, partition: i32, number: usize) -> Outgoing {
    let mut record = Outgoing::new(topic, number.to_string());
    record.partition = Partition::Exactly(partition);
    record
}

/// Publishes this many records to a partition, one after the other, and waits until each is confirmed. So they
/// have the offsets 0, 1, 2 and so on, if nobody else writes there.
///
/// # Panics
/// If the broker refuses one, or does not answer within `PATIENCE`.
pub(super) async fn publish(broker: &dyn Broker, topic: &str, partition: i32, records: usize) {
    let producer = broker.producer().expect("a producer");
    for number in 0..records {
        let answer = timeout(PATIENCE, producer.receipt(&record(topic, partition, number))).await;
        answer.expect("an answer in time").expect("published");
    }
}
