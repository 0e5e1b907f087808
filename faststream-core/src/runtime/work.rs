//! What a lane's task does at this moment, for those who watch it from other threads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::unfinished::Unfinished;

/// Where nothing is known yet.
const NOTHING: i64 = i64::MIN;

/// What a lane's task does now.
#[derive(Debug)]
pub(crate) struct Work {
    /// The record that the task works at now: its handler is in its first poll, or what came of it is decided.
    begun: AtomicI64,
    /// How often a turn of the task has begun or ended: odd while one goes on.
    turns: AtomicU64,
    /// The records whose plain functions run now.
    plain: Mutex<BTreeSet<i64>>,
    /// A call that takes long without blocking.
    slow: Mutex<Option<(i64, Instant)>>,
    /// What a drain waits for, since the last turn of the task.
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
    /// What the drain waits for, as of the last turn.
    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn of the task begins or ends.
    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Whether a turn of the task goes on.
    pub(super) fn is_in_turn(&self) -> bool {
        self.turns() % 2 == 1
    }

    /// The task works at this record; `None`: not any more. Relaxed: read from elsewhere it is only said; what is decided
    /// by it is read once the task is gone.
    pub(super) fn begins(&self, offset: Option<i64>) {
        self.begun.store(offset.unwrap_or(NOTHING), Relaxed);
    }

    /// A plain function begins or ends, on its own thread.
    pub(super) fn plain_begins(&self, offset: i64) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).insert(offset);
    }

    pub(super) fn plain_ended(&self, offset: i64) {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).remove(&offset);
    }

    /// The records whose plain functions run now, in order.
    pub(super) fn plain_running(&self) -> Vec<i64> {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// The record that the task works at, or worked at when it died.
    pub(super) fn working_at(&self) -> Option<i64> {
        Some(self.begun.load(Relaxed)).filter(|offset| *offset != NOTHING)
    }

    /// The longest of the calls that take long, and since when it runs.
    pub(super) fn slow(&self) -> Option<(i64, Instant)> {
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_slow(&self, slow: Option<(i64, Instant)>) {
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner) = slow;
    }

    /// What the drain waits for.
    pub(super) fn note_unfinished(&self, unfinished: Option<Unfinished>) {
        *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner) = unfinished;
    }
}
