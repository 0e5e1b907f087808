//! The contract of a backend, checked through the contract alone.
//!
//! There is no app and no runtime here, only a [`Broker`] and its [`Producer`](crate::broker::Producer),
//! [`Lane`](crate::broker::Lane)s and events. The project runs these checks for the in-memory broker, for Kafka's
//! client on a mock cluster, and for Kafka itself: what a test proves on the in-memory broker holds on the others
//! as far as these checks reach.
//!
//! Each function is one check, named after the sentence that it proves. It runs on an [`UnderTest`], creates its
//! own topics and groups, and panics if the backend breaks the promise. Call it on a tokio runtime whose clock
//! runs. It waits for each event, `PATIENCE` at most; only absence (nothing is read, no further commit) is proved
//! by a pause.
//!
//! The names of topics differ from check to check, so checks may share a broker, one after the other.
#![allow(clippy::missing_panics_doc, reason = "a check panics if the promise that its name states is broken")]

mod closing;
mod commits;
mod fence;
mod member;
mod publishes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

pub use self::closing::closing_fences_commits_and_ends_with_closed;
pub use self::commits::{
    backlog_is_what_the_group_has_not_committed, commits_asked_for_while_one_is_in_flight_become_one_more,
};
pub use self::fence::{
    a_fill_after_the_fence_yields_nothing, a_lane_is_reopened_at_the_later_of_committed_and_stored,
    a_revoked_lane_is_over_once_the_revocation_is_answered, a_store_after_the_fence_is_stale,
};
pub use self::publishes::{a_flush_waits_for_every_answer, publishes_are_answered_in_their_order};
use crate::broker::Broker;
use crate::record::{Outgoing, Partition};

/// How long a check waits for anything that has to happen. Far longer than a join of a group takes on a busy
/// machine.
const PATIENCE: Duration = Duration::from_secs(20);

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
fn record(topic: &str, partition: i32, number: usize) -> Outgoing {
    let mut record = Outgoing::new(topic, number.to_string());
    record.partition = Partition::Exactly(partition);
    record
}

/// Publishes this many records to a partition, one after the other, and waits until each is confirmed. So they
/// have the offsets 0, 1, 2 and so on, if nobody else writes there.
///
/// # Panics
/// If the broker refuses one, or does not answer within `PATIENCE`.
async fn publish(broker: &dyn Broker, topic: &str, partition: i32, records: usize) {
    let producer = broker.producer().expect("a producer");
    for number in 0..records {
        let answer = timeout(PATIENCE, producer.receipt(&record(topic, partition, number))).await;
        answer.expect("an answer in time").expect("published");
    }
}
