//! The app: what the user builds, what is selected from the registry, what runs.

mod context;
mod states;

pub use context::{CallReport, Context, Observer};
pub use states::States;
