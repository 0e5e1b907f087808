//! Panics that tests plant on the producer's thread. No part of the library.

use std::sync::{Mutex, PoisonError};

/// Where the thread panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// While one record's answer is told.
    Delivery,
    /// Between two polls of the client.
    Turn,
    /// Before a record is sent by its key, as its wished partition does not exist.
    Again,
}

/// The panics that are still to come.
#[derive(Debug, Default)]
pub(super) struct Bugs(Mutex<Vec<Place>>);

impl Bugs {
    pub(super) fn plant(&self, place: Place) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Panics, if that was planted here; once.
    pub(super) fn strike(&self, place: Place) {
        let mut planted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = planted.iter().position(|planted| *planted == place) {
            planted.remove(index);
            drop(planted);
            panic!("planted: {place:?}");
        }
    }

    pub(super) fn are_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
