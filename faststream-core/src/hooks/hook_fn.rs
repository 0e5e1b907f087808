//! Hooks at startup and shutdown, and functions that create a state at startup.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use super::{HookContext, HookResult, StateResult};
use crate::broker::BoxFuture;

/// An async function or closure that runs at startup or shutdown, with or without a [`HookContext`] argument.
///
/// It is cloned for each run: a test that crashes its app starts it again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be run at start or stop",
    label = "not `Clone`, or not an async function of nothing or of one `HookContext`",
    note = "write `async move || {{ ... }}` or `async move |hook: HookContext| {{ ... }}`; what it captures must be `Clone`, as what is in an `Arc` is"
)]
pub trait HookFn<M>: Clone + Send + Sync + 'static {
    /// The value that the hook returns.
    type Output: 'static;

    /// Runs the hook.
    fn call(self, hook: HookContext) -> BoxFuture<'static, Self::Output>;
}

/// A hook with its type erased.
pub(crate) type BoxHook = Arc<dyn Fn(HookContext) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A function that creates a state at startup, with its type erased.
pub(crate) type StateMaker =
    Arc<dyn Fn(HookContext) -> BoxFuture<'static, Result<AnyState, String>> + Send + Sync>;

/// A state with its type erased.
pub(crate) type AnyState = Arc<dyn Any + Send + Sync>;

#[diagnostic::do_not_recommend]
impl<F, R> HookFn<()> for F
where
    F: FnOnce() -> R + Clone + Send + Sync + 'static,
    R: Future<Output: 'static> + Send + 'static,
{
    type Output = R::Output;

    fn call(self, _hook: HookContext) -> BoxFuture<'static, R::Output> {
        Box::pin(self())
    }
}

#[diagnostic::do_not_recommend]
impl<F, R> HookFn<(HookContext,)> for F
where
    F: FnOnce(HookContext) -> R + Clone + Send + Sync + 'static,
    R: Future<Output: 'static> + Send + 'static,
{
    type Output = R::Output;

    fn call(self, hook: HookContext) -> BoxFuture<'static, R::Output> {
        Box::pin(self(hook))
    }
}

/// Erases the type of a hook.
pub(crate) fn boxed<M, H>(hook: H) -> BoxHook
where
    H: HookFn<M>,
    H::Output: HookResult,
{
    Arc::new(move |argument| {
        let call = hook.clone().call(argument);
        Box::pin(async move { call.await.into_result() })
    })
}

/// Erases the type of a function that creates a state.
pub(crate) fn boxed_state<M, H>(make: H) -> StateMaker
where
    H: HookFn<M>,
    H::Output: StateResult,
{
    Arc::new(move |argument| {
        let call = make.clone().call(argument);
        Box::pin(async move { Ok(Arc::new(call.await.into_state()?) as AnyState) })
    })
}
