//! The in-memory producer.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::broker::{Answer, BoxFuture, Producer, PublishError, Published};
use crate::memory::cluster::Connection;
use crate::record::Outgoing;

/// Publishes records to the in-memory cluster.
#[derive(Debug)]
pub(in crate::memory) struct MemoryProducer {
    /// Keeps the broker's clock going.
    connection: Arc<Connection>,
}

impl MemoryProducer {
    pub(in crate::memory) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }
}

impl Producer for MemoryProducer {
    fn enqueue(&self, record: &Outgoing, answer: Answer) -> Option<Result<Published, PublishError>> {
        // Not `change`: no publish wakes the agenda.
        self.connection.0.change_quietly(|state, shared| {
            state.ensure_topic(shared, &record.topic);
            // None overtakes those that are late.
            if !state.are_publishes_delayed() && state.delayed.is_empty() {
                answer.spare();
                return Some(shared.append_to(state, record.clone()));
            }
            state.delayed.push((record.clone(), answer));
            None
        })
    }

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
