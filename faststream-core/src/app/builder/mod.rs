//! The app as the user writes it, in files by what they set.
//!
//! Only a description: building it does not connect, builds no state and cannot fail.

mod app_hooks;
mod defaults;
mod faststream;
mod group_hooks;
mod selection;
mod states;

pub use faststream::FastStream;
pub(super) use selection::Selection;
pub(super) use states::{StateEntry, StateSource};
