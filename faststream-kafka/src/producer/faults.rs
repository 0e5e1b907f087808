//! Panics that tests inject on the producer's thread. Not part of the library.

use std::sync::{Mutex, PoisonError};

/// Where the thread panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultPoint {
    /// While one record's answer is reported.
    Delivery,
    /// Between two polls of the client.
    Turn,
    /// Before a record is sent by its key, because its requested partition does not exist.
    Again,
}

/// The panics that are still to happen, each once.
#[derive(Debug, Default)]
pub(super) struct Bugs(Mutex<Vec<FaultPoint>>);

impl Bugs {
    /// Makes the thread panic the next time it reaches this point.
    pub(super) fn inject(&self, place: FaultPoint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Panics if a panic was injected here, and removes it first, so that it happens once.
    pub(super) fn hit(&self, place: FaultPoint) {
        let mut injected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = injected.iter().position(|injected| *injected == place) {
            injected.remove(index);
            drop(injected);
            panic!("planted: {place:?}");
        }
    }

    /// Returns whether all injected panics have happened.
    pub(super) fn are_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
