//! The broker's clock: the task that runs each scheduled event when it is due.
//!
//! One task for each broker, started by the first call of the contract that runs inside a tokio runtime. It owns
//! nothing: the events lie in `ClusterState::agenda`, ordered by time and then by number, so that two events of
//! the same moment run in the order in which they were scheduled. That order is part of what makes a simulation
//! replay.
//!
//! The task sleeps until the next event. Every change that may schedule an earlier one wakes it. A broker whose
//! last handle is gone wakes it for the last time, and it ends.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Weak};

use tokio::time::{Instant, sleep_until};

use super::client;
use super::cluster::{ClusterState, Connection, ScheduledEvent, SharedCluster};

/// Runs what is due, then sleeps until the next event. Ends with the broker.
///
/// The future holds only a weak reference while it sleeps, so that it does not keep the broker alive. The guard is
/// made before the future is polled for the first time: a runtime that is dropped before it runs the task still
/// releases `agenda_runs`.
pub(super) fn run(connection: &Arc<Connection>) -> impl Future<Output = ()> + Send + use<> {
    let (wake, ended) = (Arc::clone(&connection.0.wake), EndGuard(Arc::downgrade(connection)));
    async move {
        while let Some(connection) = ended.0.upgrade() {
            let next = run_due(&connection.0);
            drop(connection);
            tokio::select! {
                biased;
                () = wake.notified() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }
}

/// Runs the events that are due, and returns when the next one is; `None` if nothing is scheduled.
///
/// Holds the lock of the cluster from the first event to the last. It does not wake the agenda, which would be
/// this task.
fn run_due(shared: &Arc<SharedCluster>) -> Option<Instant> {
    shared.change_quietly(|state, shared| {
        while let Some(entry) = state.agenda.first_entry()
            && entry.key().0 <= Instant::now()
        {
            let due = entry.remove();
            run_event(state, shared, due);
        }
        state.agenda.first_key_value().map(|((when, _), _)| *when)
    })
}

/// Allows another task to run the agenda when this one ends with its runtime: a broker may outlive the runtime of
/// a test.
struct EndGuard(Weak<Connection>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        if let Some(connection) = self.0.upgrade() {
            connection.0.agenda_runs.store(false, SeqCst);
        }
    }
}

/// Runs one event. An event whose member, request or revocation no longer exists has no effect: nothing removes
/// entries from the agenda.
fn run_event(state: &mut ClusterState, shared: &Arc<SharedCluster>, due: ScheduledEvent) {
    match due {
        ScheduledEvent::CommitTimer(group, id) => {
            let Some(member) = state.member(&group, id).filter(|member| member.alive) else { return };
            let interval = member.request.commit_interval;
            client::request(state, shared, &group, id);
            state.at(Instant::now() + interval, ScheduledEvent::CommitTimer(group, id));
        }
        ScheduledEvent::Commit(group, id, number) => client::arrived(state, shared, &group, id, number),
        ScheduledEvent::SessionExpired(group, id) => state.expire(shared, &group, id),
        ScheduledEvent::RevocationTimeout(group, id, revocation) => {
            let open = state.member(&group, id).is_some_and(|member| member.open.contains_key(&revocation));
            if open {
                state.lose(shared, &group, id);
            }
        }
        ScheduledEvent::Assign(group, id, lanes) => state.notify_assigned(shared, &group, id, lanes),
        ScheduledEvent::Reconnect => {
            // A later disconnection has replaced this end.
            if state.faults.offline_until.is_some_and(|until| until > Instant::now()) {
                return;
            }
            state.faults.offline_until = None;
            shared.set_offline(false);
            shared.append_delayed(state);
            state.topics.values().flatten().for_each(|log| log.wake());
        }
        ScheduledEvent::Publishes => shared.append_delayed(state),
    }
}
