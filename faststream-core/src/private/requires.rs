//! What an argument requires of the app, by its tag.

use super::arguments::{ByExtractor, ByKey, ByNothing, ByOption, ByOptionalState, ByPayload, ByState};
use crate::delivery::{FromDelivery, Requirements};

/// Reports what the app must have for an argument, before it starts: a state, for example.
pub trait Requires: Sized {
    /// Adds the argument's requirements. The default adds none.
    fn __faststream_requires(self, _requirements: &mut Requirements) {}
}

/// Only extractors require something. Every other tag uses the default, those of unreadable arguments included.
impl<T: FromDelivery> Requires for ByExtractor<T> {
    fn __faststream_requires(self, requirements: &mut Requirements) {
        T::requires(requirements);
    }
}

impl<T> Requires for ByPayload<T> {}
impl<T> Requires for ByKey<T> {}
impl<T> Requires for ByState<T> {}
impl<T> Requires for ByOptionalState<T> {}
impl<T> Requires for ByOption<T> {}
impl<T> Requires for ByNothing<T> {}
