//! The app: what the user builds, what is selected from the registry, what runs.

mod builder;
mod checks;
mod context;
mod environment;
mod faults;
mod groups;
mod hook;
mod plan;
mod resolve;
mod rules;
mod states;
mod stop;

pub use builder::FastStream;
pub use context::{CallReport, Context, Observer};
pub use environment::{Environment, ExpandError};
pub use faults::{StartupFault, StartupFaults};
pub use hook::{Hook, HookFn, HookResult};
pub use plan::{Brokers, Plan, Setting};
pub use states::States;
pub use stop::StopRequest;
