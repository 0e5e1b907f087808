//! When a test's `publish().await` may return: no work is in progress any more.
//!
//! Lanes count themselves busy (one atomic per wake-up, none per record), and the in-memory broker knows which records
//! no lane has seen yet. Any of them may be the last, and wakes the waiter, so that nobody polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;

/// Counts the work in progress.
#[derive(Debug, Default)]
pub struct IdleTracker {
    busy: AtomicUsize,
    /// How often something became busy. Two checks count as one moment if it did not change between them.
    woken: AtomicUsize,
    changed: Notify,
}

impl IdleTracker {
    /// Notifies the waiter that something changed that `unseen` checks.
    pub fn notify(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until nobody is busy in any of them and `unseen` is false, all at one moment.
    #[cfg(feature = "testing")]
    pub(crate) async fn wait_for_all(all: &[Arc<Self>], unseen: impl Fn() -> bool) {
        loop {
            for idle in all {
                idle.wait(&unseen).await;
            }
            let woken = || all.iter().map(|idle| idle.woken.load(SeqCst)).sum::<usize>();
            let before = woken();
            if all.iter().all(|idle| idle.busy.load(SeqCst) == 0) && !unseen() && woken() == before {
                return;
            }
        }
    }

    /// Waits until nobody is busy and `unseen` is false, both at one moment.
    pub async fn wait(&self, unseen: impl Fn() -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the check, or a change in between would be missed.
            changed.as_mut().enable();
            let woken = self.woken.load(SeqCst);
            if self.busy.load(SeqCst) == 0 && !unseen() && self.woken.load(SeqCst) == woken {
                return;
            }
            changed.await;
        }
    }
}

/// The busy guard of one lane or task. If it is dropped while busy (crash, fence), it stops counting as busy.
#[derive(Debug)]
pub struct BusyGuard {
    idle: Arc<IdleTracker>,
    busy: bool,
}

impl BusyGuard {
    /// Returns a guard that is not busy.
    #[must_use]
    pub fn new(idle: Arc<IdleTracker>) -> Self {
        Self { idle, busy: false }
    }

    /// Sets whether work is in progress here.
    pub fn set(&mut self, busy: bool) {
        if self.busy == busy {
            return;
        }
        self.busy = busy;
        if busy {
            self.idle.woken.fetch_add(1, SeqCst);
            self.idle.busy.fetch_add(1, SeqCst);
        } else if self.idle.busy.fetch_sub(1, SeqCst) == 1 {
            self.idle.notify();
        }
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.set(false);
    }
}
