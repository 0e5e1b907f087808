//! The app: what the user builds, what is selected from the registry, what runs.

mod builder;
mod checks;
mod context;
mod ending;
mod environment;
mod exit;
mod faults;
mod group_hook;
mod groups;
mod health;
mod hook;
mod membership;
mod plan;
mod provision;
mod replacement;
mod resolve;
mod rules;
mod running;
mod start;
mod states;
mod stop;

pub use builder::FastStream;
pub use context::{CallBegin, CallReport, Context, Observer};
pub use environment::{Environment, ExpandError};
pub use exit::Exit;
pub use faults::{StartupFault, StartupFaults};
pub(crate) use group_hook::{BoxGroupHook, GroupHooks};
pub use group_hook::{CommitFailure, GroupPartition, Rebalance};
pub use health::Health;
pub use hook::{Hook, HookFn, HookResult};
pub use plan::{BrokerByName, Brokers, Plan, Setting};
pub use running::Running;
pub(crate) use start::unix_time;
pub use start::{StartError, StartOptions};
pub use states::States;
pub use stop::StopRequest;
