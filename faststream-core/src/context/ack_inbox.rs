//! Settled `Ack`s, until the lane's task reads them, and the calls that wait until they are committed.
//!
//! Handlers settle on any thread; the lane's task alone applies verdicts. The inbox between them has one rule:
//! after the fence nothing gets in, so an `Ack` that returned `Stale` never counts. The contents go to whoever
//! fences: a task that ends applies them, and a member that cancels the task drops them.
//!
//! Both parts lie inside `LaneControl`. Their locks are held for a push, a search or a swap, and never while other
//! code runs.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::BusyGuard;
use crate::broker::Stale;
use crate::result::Verdict;

/// An `Ack` that was settled, on its way to the lane's task.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The record, as a record offset.
    pub(crate) offset: i64,
    /// The attempt that the `Ack` belongs to. One of an earlier attempt counts only if it is a success.
    pub(crate) attempt: u32,
    /// What happens to the record.
    pub(crate) verdict: Verdict,
    /// Whether the `Ack` was dropped unsettled; the verdict is the consequence.
    pub(crate) dropped: bool,
    /// Whether a call waits until the broker has committed it.
    pub(crate) durable: bool,
}

/// The settled `Ack`s that are not read yet. Closed and emptied in one step: an ack is either in, or `Stale`.
#[derive(Debug, Default)]
pub(super) struct AckInbox {
    /// Whether the inbox has contents, checked each turn. The lock is taken only if an `Ack` was settled.
    has_settled: AtomicBool,
    /// The contents, and the fence.
    inbox: Mutex<SettledInbox>,
}

/// The state under the lock of `AckInbox`.
#[derive(Debug, Default)]
struct SettledInbox {
    /// Whether the lane was fenced. Never reset.
    fenced: bool,
    /// The unread `Ack`s, in the order in which they were settled.
    settled: Vec<Settled>,
    /// Unread `Ack`s count as work in progress, for tests that wait until everything has settled.
    busy: Option<BusyGuard>,
}

impl SettledInbox {
    /// Takes the contents. They no longer count as busy: the caller does.
    fn take(&mut self) -> Vec<Settled> {
        if let Some(busy) = &mut self.busy {
            busy.set(false);
        }
        std::mem::take(&mut self.settled)
    }
}

impl AckInbox {
    /// Counts its contents as work in progress.
    pub(super) fn counted_busy_by(&self, busy: BusyGuard) {
        self.lock().busy = Some(busy);
    }

    /// Closes the inbox, and returns its contents. Whoever fences decides what happens to them.
    pub(super) fn fence(&self) -> Vec<Settled> {
        let mut inbox = self.lock();
        inbox.fenced = true;
        inbox.take()
    }

    /// Returns whether the inbox is closed.
    pub(super) fn is_fenced(&self) -> bool {
        self.lock().fenced
    }

    /// Returns the `Ack`s since the last time. Without any, it costs one atomic load, and no lock.
    pub(super) fn take(&self) -> Vec<Settled> {
        if !self.has_settled.load(SeqCst) || !self.has_settled.swap(false, SeqCst) {
            return Vec::new();
        }
        self.lock().take()
    }

    /// Returns whether an `Ack` was settled. The reader must count as busy before it checks.
    pub(super) fn has_settled(&self) -> bool {
        self.has_settled.load(SeqCst)
    }

    /// Counts as work in progress until the task's next turn, although nothing was settled.
    pub(super) fn keep_busy(&self) {
        let mut inbox = self.lock();
        if !inbox.fenced {
            if let Some(busy) = &mut inbox.busy {
                busy.set(true);
            }
            self.has_settled.store(true, SeqCst);
        }
    }

    /// Adds a settled `Ack`.
    ///
    /// # Errors
    /// [`Stale`] if the inbox is fenced. The `Ack` is dropped then.
    pub(super) fn post(&self, settled: Settled) -> Result<(), Stale> {
        let mut inbox = self.lock();
        if inbox.fenced {
            return Err(Stale);
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

/// The calls that wait until their record is committed.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// The records that they wait for, in no order.
    offsets: Mutex<Vec<i64>>,
    /// Notified when a commit succeeded, or the lane has ended.
    moved: Notify,
}

/// A call that waits until a record is committed, until this is dropped.
pub(super) struct Waiter<'a> {
    /// Where it is registered.
    waiters: &'a Waiters,
    /// The record that it waits for.
    offset: i64,
}

impl Waiters {
    /// Registers a call that waits for this record, until the result is dropped.
    pub(super) fn wait(&self, offset: i64) -> Waiter<'_> {
        self.lock().push(offset);
        Waiter { waiters: self, offset }
    }

    /// Wakes all of them: a commit succeeded, or the lane has ended.
    pub(super) fn notify(&self) {
        self.moved.notify_waiters();
    }

    /// Returns a future that resolves at the next `notify`. Enable it before the check that it guards.
    pub(super) fn notified(&self) -> Notified<'_> {
        self.moved.notified()
    }

    /// Returns whether a call waits for one of these records.
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
