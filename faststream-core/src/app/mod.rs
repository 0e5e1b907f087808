//! The app: the description that the user builds, the selection from the registry, and the running app.

mod builder;
mod checks;
mod environment;
mod exit;
mod faults;
mod groups;
mod health;
mod launch_options;
mod loops;
mod membership;
mod names;
mod needs;
mod operate;
mod packages;
mod plan;
mod provision;
mod reader;
mod replacement;
mod resolve;
mod rules;
mod running;
mod scopes;
mod shutdown;
mod start;

pub use builder::FastStream;
pub use environment::{Environment, ExpandError};
pub use exit::Exit;
pub use faults::{StartupFault, StartupFaults};
pub use health::Health;
pub use launch_options::{BrokerByName, Brokers, LaunchOptions};
pub use operate::ControlError;
pub use plan::Plan;
pub use running::Running;
pub(crate) use start::unix_time;
pub use start::{StartError, StartOptions};
