//! The hooks of an app that concern its groups: assignments, revocations and failed commits.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::{CommitFailure, HookContext, HookResult, Rebalance};
use crate::broker::BoxFuture;

/// A group hook with its type erased.
pub(crate) type BoxGroupHook<T> =
    Arc<dyn Fn(HookContext, T) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The hooks of an app that concern its groups, in the order in which they were given.
#[derive(Clone, Default)]
pub(crate) struct GroupHooks {
    pub(crate) assigned: Vec<BoxGroupHook<Rebalance>>,
    pub(crate) revoked: Vec<BoxGroupHook<Rebalance>>,
    pub(crate) lost: Vec<BoxGroupHook<Rebalance>>,
    pub(crate) commit_error: Vec<BoxGroupHook<Vec<CommitFailure>>>,
}

/// Erases the type of a group hook.
pub(crate) fn boxed_group<T, F, R>(hook: F) -> BoxGroupHook<T>
where
    F: Fn(HookContext, T) -> R + Send + Sync + 'static,
    R: Future<Output: HookResult> + Send + 'static,
{
    Arc::new(move |argument, event| {
        let call = hook(argument, event);
        Box::pin(async move { call.await.into_result() })
    })
}

impl fmt::Debug for GroupHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupHooks")
            .field("on_assigned", &self.assigned.len())
            .field("on_revoked", &self.revoked.len())
            .field("on_lost", &self.lost.len())
            .field("on_commit_error", &self.commit_error.len())
            .finish()
    }
}
