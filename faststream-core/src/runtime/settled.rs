//! What is settled by hand, until the lane's task reads it, and who waits until it is durable.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::BusyGuard;
use crate::result::Verdict;

/// An `Ack` was settled.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) offset: i64,
    pub(super) attempt: u32,
    pub(super) verdict: Verdict,
    /// It went unsettled: the verdict is what that means.
    pub(super) dropped: bool,
    /// Somebody waits until the broker has it.
    pub(super) durable: bool,
}

/// What was settled by hand and not read yet. Closed and emptied in one step: an ack is either in, or `Stale`.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Asked each turn; the lock is taken only if somebody wrote.
    has_settled: AtomicBool,
    inbox: Mutex<SettledInbox>,
}

#[derive(Debug, Default)]
struct SettledInbox {
    fenced: bool,
    settled: Vec<Settled>,
    /// What is on its way is under way, for tests that wait until all has settled.
    busy: Option<BusyGuard>,
}

impl SettledInbox {
    fn take(&mut self) -> Vec<Settled> {
        if let Some(busy) = &mut self.busy {
            busy.set(false);
        }
        std::mem::take(&mut self.settled)
    }
}

impl Inbox {
    /// What is in it counts as under way.
    pub(super) fn counted_busy_by(&self, busy: BusyGuard) {
        self.lock().busy = Some(busy);
    }

    /// Nothing more gets in; what is in it is returned.
    pub(super) fn fence(&self) -> Vec<Settled> {
        let mut inbox = self.lock();
        inbox.fenced = true;
        inbox.take()
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.lock().fenced
    }

    /// What came since the last time.
    pub(super) fn take(&self) -> Vec<Settled> {
        if !self.has_settled.load(SeqCst) || !self.has_settled.swap(false, SeqCst) {
            return Vec::new();
        }
        self.lock().take()
    }

    /// Somebody wrote; whoever reads it must count as busy before.
    pub(super) fn has_settled(&self) -> bool {
        self.has_settled.load(SeqCst)
    }

    /// Puts it in; given back if it is fenced.
    pub(super) fn post(&self, settled: Settled) -> Result<(), Settled> {
        let mut inbox = self.lock();
        if inbox.fenced {
            return Err(settled);
        }
        inbox.settled.push(settled);
        if let Some(busy) = &mut inbox.busy {
            busy.set(true);
        }
        self.has_settled.store(true, SeqCst);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, SettledInbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who wait until their record is durable.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// The records that are waited for.
    offsets: Mutex<Vec<i64>>,
    /// A commit was accepted, or the lane is over.
    moved: Notify,
}

/// Somebody waits until a record is durable, until this is dropped.
pub(super) struct Waiter<'a> {
    waiters: &'a Waiters,
    offset: i64,
}

impl Waiters {
    pub(super) fn wait(&self, offset: i64) -> Waiter<'_> {
        self.lock().push(offset);
        Waiter { waiters: self, offset }
    }

    /// Wakes them all: a commit was accepted, or the lane is over.
    pub(super) fn notify(&self) {
        self.moved.notify_waiters();
    }

    pub(super) fn notified(&self) -> Notified<'_> {
        self.moved.notified()
    }

    /// Whether somebody waits for one of these.
    pub(super) fn any(&self, of: impl Fn(i64) -> bool) -> bool {
        self.lock().iter().any(|offset| of(*offset))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<i64>> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiters = self.waiters.lock();
        if let Some(index) = waiters.iter().position(|offset| *offset == self.offset) {
            waiters.swap_remove(index);
        }
    }
}
