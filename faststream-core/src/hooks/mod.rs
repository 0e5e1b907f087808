//! Hooks of an app and of its groups: what they may use and return, and the one runner that guards their calls.

mod app_hooks;
mod group_event;
mod group_hooks;
mod group_runner;
mod guarded;
mod hook_context;
mod hook_fn;
mod hook_result;

pub(crate) use app_hooks::AppHooks;
pub use group_event::{CommitFailure, GroupPartition, Rebalance};
pub(crate) use group_hooks::{BoxGroupHook, GroupHooks, boxed_group};
pub(crate) use group_runner::GroupHookRunner;
pub(crate) use guarded::{HookFailure, run_guarded};
pub use hook_context::HookContext;
pub use hook_fn::HookFn;
pub(crate) use hook_fn::{AnyState, BoxHook, StateMaker, boxed, boxed_state};
pub use hook_result::{HookResult, Returns, StateResult};
