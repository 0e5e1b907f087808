//! What is settled by hand, until the lane's task reads it, and who waits until it is durable.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Vote;
use crate::verdict::Verdict;

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
    has_mail: AtomicBool,
    mail: Mutex<Mail>,
}

#[derive(Debug, Default)]
struct Mail {
    fenced: bool,
    settled: Vec<Settled>,
    /// What is on its way is under way, for tests that wait until all has settled.
    vote: Option<Vote>,
}

impl Mail {
    fn take(&mut self) -> Vec<Settled> {
        if let Some(vote) = &mut self.vote {
            vote.set(false);
        }
        std::mem::take(&mut self.settled)
    }
}

impl Inbox {
    /// What is in it counts as under way.
    pub(super) fn voting(&self, vote: Vote) {
        self.lock().vote = Some(vote);
    }

    /// Nothing more gets in; what is in it is returned.
    pub(super) fn fence(&self) -> Vec<Settled> {
        let mut mail = self.lock();
        mail.fenced = true;
        mail.take()
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.lock().fenced
    }

    /// What came since the last time.
    pub(super) fn take(&self) -> Vec<Settled> {
        if !self.has_mail.load(SeqCst) || !self.has_mail.swap(false, SeqCst) {
            return Vec::new();
        }
        self.lock().take()
    }

    /// Somebody wrote; whoever reads it must count as busy before.
    pub(super) fn has_mail(&self) -> bool {
        self.has_mail.load(SeqCst)
    }

    /// Puts it in; given back if it is fenced.
    pub(super) fn post(&self, settled: Settled) -> Result<(), Settled> {
        let mut mail = self.lock();
        if mail.fenced {
            return Err(settled);
        }
        mail.settled.push(settled);
        if let Some(vote) = &mut mail.vote {
            vote.set(true);
        }
        self.has_mail.store(true, SeqCst);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records that somebody waits for to be durable.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<Vec<i64>>);

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

    /// Whether somebody waits for one of these.
    pub(super) fn any(&self, of: impl Fn(i64) -> bool) -> bool {
        self.lock().iter().any(|offset| of(*offset))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
