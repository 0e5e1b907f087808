//! The current work of a lane's task, for observers on other threads.
//!
//! The task notes what it does, and never reads any of it. The member reads it about once a second, to find
//! stalled lanes (`progress.rs`), and when it cancels a lane, for the log line. What is noted for each record are
//! a few relaxed atomic stores; the locks are for plain functions and slow calls, and for one note at the end of a
//! turn of a lane that drains.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::Unfinished;

/// The value of an unknown offset.
const NOTHING: i64 = i64::MIN;

/// The current work of a lane's task.
#[derive(Debug)]
pub(crate) struct Work {
    /// The record that the task works at now: its handler is in its first poll, or its outcome is being applied.
    begun: AtomicI64,
    /// How often a turn of the task has begun or ended: odd during a turn.
    turns: AtomicU64,
    /// The record offsets whose plain functions run now, on threads of their own.
    plain: Mutex<BTreeSet<i64>>,
    /// The longest of the calls that take long without blocking: its record offset, and since when it runs.
    slow: Mutex<Option<(i64, Instant)>>,
    /// What a drain waits for, as of the last turn of the task. Noted only while the lane stops.
    unfinished: Mutex<Option<Unfinished>>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            begun: AtomicI64::new(NOTHING),
            turns: AtomicU64::new(0),
            plain: Mutex::default(),
            slow: Mutex::default(),
            unfinished: Mutex::default(),
        }
    }
}

impl Work {
    /// Returns what the drain waits for, as of the last turn.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a turn of the task begins or ends.
    pub(crate) fn turn(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    /// Returns how often a turn has begun or ended.
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Returns whether a turn of the task is in progress.
    pub(crate) fn is_in_turn(&self) -> bool {
        self.turns() % 2 == 1
    }

    /// Sets the record that the task works at; `None` if none. Relaxed: other threads only log it, and decisions that
    /// depend on it are made once the task has ended.
    pub(crate) fn begins(&self, offset: Option<i64>) {
        self.begun.store(offset.unwrap_or(NOTHING), Relaxed);
    }

    /// Records that a plain function begins or ends, on its own thread.
    pub(crate) fn plain_begins(&self, offset: i64) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).insert(offset);
    }

    /// Records that a plain function has ended, whether or not its result counts.
    pub(crate) fn plain_ended(&self, offset: i64) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).remove(&offset);
    }

    /// Returns the records whose plain functions run now, in order.
    pub(crate) fn plain_running(&self) -> Vec<i64> {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Returns the record that the task works at, or worked at when it died.
    pub(crate) fn working_at(&self) -> Option<i64> {
        Some(self.begun.load(Relaxed)).filter(|offset| *offset != NOTHING)
    }

    /// Returns the longest of the slow calls, and since when it runs.
    pub(crate) fn slow(&self) -> Option<(i64, Instant)> {
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the longest of the slow calls; `None` if none is slow any more.
    pub(crate) fn note_slow(&self, slow: Option<(i64, Instant)>) {
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner) = slow;
    }

    /// Sets what the drain waits for.
    pub(crate) fn note_unfinished(&self, unfinished: Option<Unfinished>) {
        *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner) = unfinished;
    }
}
