//! Panics that tests plant on the producer's thread. Not part of the library.

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

/// The panics that are still to happen.
#[derive(Debug, Default)]
pub(super) struct Bugs(Mutex<Vec<FaultPoint>>);

impl Bugs {
    pub(super) fn inject(&self, place: FaultPoint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Panics once, if a panic was planted here.
    pub(super) fn hit(&self, place: FaultPoint) {
        let mut injected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = injected.iter().position(|injected| *injected == place) {
            injected.remove(index);
            drop(injected);
            panic!("planted: {place:?}");
        }
    }

    pub(super) fn are_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
