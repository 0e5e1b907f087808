//! The cluster's state under its lock, with its clock and its observer: what handles, lanes and tasks share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::state::ClusterState;
use crate::memory::observer::{BrokerEvent, BrokerObserver};
use crate::runtime::IdleTracker;

/// All handles of a broker share one; the agenda's task ends with it.
#[derive(Debug)]
pub(in crate::memory) struct Connection(pub(in crate::memory) Arc<SharedCluster>);

/// The cluster, as handles, lanes and tasks share it.
#[derive(Debug)]
pub(in crate::memory) struct SharedCluster {
    state: Mutex<ClusterState>,
    /// Notified when the agenda changed.
    pub(in crate::memory) wake: Arc<Notify>,
    /// Counts what has not settled.
    pub(in crate::memory) idle: Arc<IdleTracker>,
    /// A copy of the fault, for reads without the lock.
    offline: AtomicBool,
    /// Notified when the cluster can be reached again.
    online: Notify,
    /// Whether a read is to panic.
    broken_reads: AtomicBool,
    /// Whether the agenda's task was started.
    pub(in crate::memory) agenda_runs: AtomicBool,
    /// When the broker was made, by tokio's clock.
    began: Instant,
    /// The same moment in Unix time, in milliseconds, by the broker's clock.
    started: AtomicI64,
    /// The same by the machine's clock, which differs from that of a test.
    made: i64,
    observer: OnceLock<Registered>,
}

/// The broker's observer.
struct Registered(Arc<dyn BrokerObserver>);

impl SharedCluster {
    /// An empty cluster whose clock shows `started` now, in milliseconds of Unix time.
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

    /// Reads the state, and notifies nobody.
    pub(in crate::memory) fn look<R>(&self, look: impl FnOnce(&ClusterState) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the state, and notifies the agenda and whoever waits until all has settled.
    pub(in crate::memory) fn change<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut ClusterState, &Arc<Self>) -> R,
    ) -> R {
        let result = self.change_quietly(change);
        self.wake.notify_one();
        result
    }

    /// As [`change`](Self::change), without waking the agenda: its own task must not wake itself, and a publish need not.
    pub(in crate::memory) fn change_quietly<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut ClusterState, &Arc<Self>) -> R,
    ) -> R {
        let result = change(&mut self.lock(), self);
        self.idle.notify();
        result
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ClusterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::memory) fn is_offline(&self) -> bool {
        self.offline.load(SeqCst)
    }

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

    pub(in crate::memory) fn set_broken_reads(&self, broken: bool) {
        self.broken_reads.store(broken, SeqCst);
    }

    /// Whether the read that is about to happen is to panic.
    pub(in crate::memory) fn is_read_broken(self: &Arc<Self>) -> bool {
        // One load in the usual case.
        self.broken_reads.load(SeqCst)
            && self.change(|state, shared| {
                let hit = state.faults.read();
                shared.set_broken_reads(state.faults.reads > 0);
                hit
            })
    }

    /// Sets the broker's clock as if it had shown `started` when the broker was made.
    #[cfg(feature = "testing")]
    pub(in crate::memory) fn set_started(&self, started: i64) {
        self.started.store(started, Relaxed);
    }

    /// Unix time in milliseconds, by tokio's clock.
    pub(in crate::memory) fn now_ms(&self) -> i64 {
        self.started.load(Relaxed).saturating_add(self.passed_ms())
    }

    /// The later one of the broker's clock and the machine's: code under test takes its time from either.
    pub(super) fn latest_now_ms(&self) -> i64 {
        self.now_ms().max(self.made.saturating_add(self.passed_ms()))
    }

    fn passed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Registers the observer. The first one stays.
    pub(in crate::memory) fn set_observer(&self, observer: Arc<dyn BrokerObserver>) {
        let _ = self.observer.set(Registered(observer));
    }

    pub(super) fn is_observed(&self) -> bool {
        self.observer.get().is_some()
    }

    /// Notifies the observer.
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
