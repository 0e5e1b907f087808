//! The in-memory producer: appends records, or queues them while publishes are delayed.
//!
//! The order of the records of one topic is the order of the calls: a record is either appended under the lock of
//! the cluster, or queued behind all that were queued before. The agenda appends the queue when the delay is over.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::broker::{Answer, BoxFuture, Producer, PublishError, Published};
use crate::memory::cluster::Connection;
use crate::record::Outgoing;

/// Publishes records to the in-memory cluster. Every call of `Broker::producer` makes one; all of them write to
/// the same cluster, so that order is kept across them.
#[derive(Debug)]
pub(in crate::memory) struct MemoryProducer {
    /// The broker, not only its cluster: while a producer lives, the broker's clock continues.
    connection: Arc<Connection>,
}

impl MemoryProducer {
    /// Returns a producer of this broker.
    pub(in crate::memory) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }
}

impl Producer for MemoryProducer {
    /// Appends the record at once, and returns the result. If publishes are delayed, or earlier ones still wait,
    /// the record is queued behind them, and `answer` gets the result later.
    fn enqueue(&self, record: &Outgoing, answer: Answer) -> Option<Result<Published, PublishError>> {
        // Not `change`: a publish need not wake the agenda.
        self.connection.0.change_quietly(|state, shared| {
            state.ensure_topic(shared, &record.topic);
            // No record overtakes those that are delayed.
            if !state.are_publishes_delayed() && state.delayed.is_empty() {
                answer.spare();
                return Some(shared.append_to(state, record.clone()));
            }
            state.delayed.push((record.clone(), answer));
            None
        })
    }

    /// Resolves when the queue of delayed records is empty; at once if it is.
    fn flush(&self) -> BoxFuture<'_, ()> {
        let waits = self.connection.0.change_quietly(|state, _| {
            let (answer, arrived) = oneshot::channel();
            (!state.delayed.is_empty()).then(|| {
                state.flushes.push(answer);
                arrived
            })
        });
        Box::pin(async {
            if let Some(arrived) = waits {
                let _ = arrived.await;
            }
        })
    }
}
