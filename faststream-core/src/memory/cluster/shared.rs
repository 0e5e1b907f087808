//! The cluster's data under its lock, with its clock and its observer: what handles, lanes and tasks share.
//!
//! The lock is a plain mutex. It is held for one change, never across an `await`, and a panic under it does not
//! make the broker unusable for others.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::state::ClusterState;
use crate::context::IdleTracker;
use crate::memory::observer::{BrokerEvent, BrokerObserver};

/// The connection of all handles and producers to one broker. When the last of them drops it, the agenda's task
/// ends.
///
/// Lanes and members hold the `SharedCluster` alone: they must not keep the clock running after the app is gone.
#[derive(Debug)]
pub(in crate::memory) struct Connection(pub(in crate::memory) Arc<SharedCluster>);

/// The cluster, as handles, lanes and tasks share it.
#[derive(Debug)]
pub(in crate::memory) struct SharedCluster {
    /// The data. Taken before the lock of a log or an inbox, never after.
    state: Mutex<ClusterState>,
    /// Notified after each change, because it may have scheduled an event. The agenda's task waits for it.
    pub(in crate::memory) wake: Arc<Notify>,
    /// Counts the work in progress. Notified after each change, because it may have been the last one that a test
    /// waits for.
    pub(in crate::memory) idle: Arc<IdleTracker>,
    /// Whether the cluster is disconnected: a copy of the fault, for reads without the lock.
    offline: AtomicBool,
    /// Notified when the cluster can be reached again.
    online: Notify,
    /// Whether the next read is to panic: a copy of the fault, which lanes check once for each read, without the
    /// lock.
    broken_reads: AtomicBool,
    /// Whether the agenda's task runs. Set by the handle that starts it, and reset when the task ends.
    pub(in crate::memory) agenda_runs: AtomicBool,
    /// When the broker was created, by tokio's clock, which a test may pause and advance.
    began: Instant,
    /// The same moment by the broker's clock, in milliseconds of Unix time. Atomic because a test sets it after
    /// creation.
    started: AtomicI64,
    /// The same moment by the machine's clock, in milliseconds of Unix time. It differs from `started` in a test.
    made: i64,
    /// The observer of a simulation; empty in other tests.
    observer: OnceLock<Registered>,
}

/// The broker's observer, with a `Debug` that does not require one of the observer.
struct Registered(Arc<dyn BrokerObserver>);

impl SharedCluster {
    /// Returns an empty cluster whose clock shows `started` now, in milliseconds of Unix time.
    pub(in crate::memory) fn new(idle: Arc<IdleTracker>, started: i64) -> Self {
        Self {
            state: Mutex::new(ClusterState::new()),
            wake: Arc::default(),
            idle,
            offline: AtomicBool::new(false),
            online: Notify::new(),
            broken_reads: AtomicBool::new(false),
            agenda_runs: AtomicBool::new(false),
            began: Instant::now(),
            started: AtomicI64::new(started),
            made: crate::app::unix_time(),
            observer: OnceLock::new(),
        }
    }

    /// Reads the data under the lock, and notifies nobody.
    pub(in crate::memory) fn look<R>(&self, look: impl FnOnce(&ClusterState) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the data under the lock, and notifies the agenda and whoever waits until everything has settled.
    pub(in crate::memory) fn change<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut ClusterState, &Arc<Self>) -> R,
    ) -> R {
        let result = self.change_quietly(change);
        self.wake.notify_one();
        result
    }

    /// Changes the data as [`change`](Self::change) does, without waking the agenda: its own task must not wake
    /// itself, and a publish schedules nothing.
    pub(in crate::memory) fn change_quietly<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut ClusterState, &Arc<Self>) -> R,
    ) -> R {
        let result = change(&mut self.lock(), self);
        self.idle.notify();
        result
    }

    /// Takes the lock. A panic of an earlier holder is ignored.
    pub(super) fn lock(&self) -> MutexGuard<'_, ClusterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the cluster is disconnected, without the lock.
    pub(in crate::memory) fn is_offline(&self) -> bool {
        self.offline.load(SeqCst)
    }

    /// Sets whether the cluster is disconnected. Wakes the requests that wait for the connection; lanes are woken
    /// by their logs.
    pub(in crate::memory) fn set_offline(&self, offline: bool) {
        self.offline.store(offline, SeqCst);
        if !offline {
            self.online.notify_waiters();
        }
    }

    /// Resolves once the cluster can be reached.
    pub(in crate::memory) async fn online(&self) {
        loop {
            let reached = self.online.notified();
            if !self.is_offline() {
                return;
            }
            reached.await;
        }
    }

    /// Sets whether lanes look for a fault of reads.
    pub(in crate::memory) fn set_broken_reads(&self, broken: bool) {
        self.broken_reads.store(broken, SeqCst);
    }

    /// Returns whether the read that is about to happen is to panic, and counts it. It costs one atomic load when
    /// no such fault was injected.
    pub(in crate::memory) fn is_read_broken(self: &Arc<Self>) -> bool {
        // One load in the usual case.
        self.broken_reads.load(SeqCst)
            && self.change(|state, shared| {
                let hit = state.faults.read();
                shared.set_broken_reads(state.faults.reads > 0);
                hit
            })
    }

    /// Sets the broker's clock as if it had shown `started` when the broker was created.
    #[cfg(feature = "testing")]
    pub(in crate::memory) fn set_started(&self, started: i64) {
        self.started.store(started, Relaxed);
    }

    /// Returns the broker's time in milliseconds of Unix time. It passes with tokio's clock.
    pub(in crate::memory) fn now_ms(&self) -> i64 {
        self.started.load(Relaxed).saturating_add(self.passed_ms())
    }

    /// Returns the later one of the broker's clock and the machine's: code under test takes its time from either.
    pub(super) fn latest_now_ms(&self) -> i64 {
        self.now_ms().max(self.made.saturating_add(self.passed_ms()))
    }

    /// Returns the milliseconds since the broker was created.
    fn passed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Registers the observer. The first one stays.
    pub(in crate::memory) fn set_observer(&self, observer: Arc<dyn BrokerObserver>) {
        let _ = self.observer.set(Registered(observer));
    }

    /// Returns whether there is an observer, so that a record is copied for it only then.
    pub(super) fn is_observed(&self) -> bool {
        self.observer.get().is_some()
    }

    /// Notifies the observer. Most callers hold the lock of the cluster.
    pub(in crate::memory) fn observe(&self, event: &BrokerEvent<'_>) {
        if let Some(Registered(observer)) = self.observer.get() {
            observer.seen(event);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.wake.notify_one();
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registered")
    }
}
