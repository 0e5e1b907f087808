//! The app: what the user builds, what is selected from the registry, what runs.

mod context;
mod states;
mod stop;

pub use context::{CallReport, Context, Observer};
pub use states::States;
pub use stop::StopRequest;
