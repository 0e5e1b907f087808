//! Hooks at startup and shutdown, and states that are created at startup.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::__private::Returns;
use crate::broker::BoxFuture;
use crate::context::{Context, States, Threads};
use crate::publish::Publisher;
use crate::result::HandlerError;

/// The parts of the app that a hook may use. Hooks that need nothing take no argument.
///
/// ```
/// use faststream::{FastStream, HookContext, TestApp, memory::MemoryBroker, subscriber};
///
/// struct Region(&'static str);
///
/// #[subscriber(topic = "started")]
/// async fn note(_region: String) {}
///
/// /// A hook may be a function. An error or a panic stops the start.
/// async fn announce(hook: HookContext) -> anyhow::Result<()> {
///     let region = hook.state::<Region>().ok_or_else(|| anyhow::anyhow!("no region"))?;
///     let publisher = hook.publisher().ok_or_else(|| anyhow::anyhow!("not connected"))?;
///     publisher.send("started", region.0).await?;
///     Ok(())
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("region").state(Region("north")).after_startup(announce);
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.settle().await;
/// assert_eq!(app.published::<String>("started").single(), "north");
/// # });
/// ```
#[derive(Clone)]
pub struct HookContext {
    pub(super) states: Arc<States>,
    /// The context of the default broker; `None` before the producer exists.
    pub(super) context: Option<Arc<Context>>,
}

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

/// The result of a hook: `()`, or a `Result<T, E>` with any error type. The value in `Ok` is dropped. A hook that only
/// panics returns nothing.
#[diagnostic::on_unimplemented(
    message = "a hook returns `()` or `Result<T, E>`, not `{Self}`",
    label = "not a result of a hook",
    note = "end it with `;` or with `Ok(())`; an error is a `std::error::Error + Send + Sync`, `anyhow::Error`, or text"
)]
pub trait HookResult {
    /// Returns the error as one line, with its causes.
    ///
    /// # Errors
    /// The error that the hook returned.
    fn into_result(self) -> Result<(), String>;
}

/// The result of a function that creates a state: a `Result<T, E>` with any error type.
#[diagnostic::on_unimplemented(
    message = "`state_with` takes a function that returns `Result<T, E>`, not `{Self}`",
    label = "not a result that holds a state",
    note = "end it with `anyhow::Ok(value)`, or give a value that needs no `await` to `.state(value)`; a state is `Send + Sync`, and an \
            error is a `std::error::Error + Send + Sync`, `anyhow::Error`, or text"
)]
pub trait StateResult {
    /// The state.
    type State: Send + Sync + 'static;

    /// Returns the state, or the error as one line, with its causes.
    ///
    /// # Errors
    /// The error that the function returned.
    fn into_state(self) -> Result<Self::State, String>;
}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static, E: Into<AnyError>> StateResult for Result<T, E> {
    type State = T;

    fn into_state(self) -> Result<T, String> {
        self.map_err(one_line)
    }
}

/// A hook with its type erased.
pub(super) type BoxHook = Arc<dyn Fn(HookContext) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A function that creates a state at startup, with its type erased.
pub(super) type StateMaker =
    Arc<dyn Fn(HookContext) -> BoxFuture<'static, Result<AnyState, String>> + Send + Sync>;

/// A state with its type erased.
pub(super) type AnyState = Arc<dyn Any + Send + Sync>;

/// An error of any type, including `anyhow`'s.
pub(super) type AnyError = Box<dyn Error + Send + Sync>;

impl HookContext {
    /// Returns a state of the app.
    ///
    /// In `on_startup` and `state_with`, the states given by `state` and those that earlier `state_with` calls created.
    #[must_use]
    pub fn state<T: 'static>(&self) -> Option<&T> {
        self.states.get()
    }

    /// Returns the threads on which the hooks of a group run.
    pub(crate) fn threads(&self) -> Threads {
        self.context.as_ref().map(|context| context.plain.threads().clone()).unwrap_or_default()
    }

    /// Returns the context for the hooks of a group, which is the one of its handlers.
    pub(crate) fn of(context: &Arc<Context>) -> Self {
        Self { states: Arc::clone(&context.states), context: Some(Arc::clone(context)) }
    }

    /// Returns a publisher to the default broker (in the hooks of a group: to the group's broker); `None` before it is
    /// connected (`on_startup`, `state_with`).
    #[must_use]
    pub fn publisher(&self) -> Option<Publisher> {
        self.context.as_ref().map(|context| Publisher::new(Arc::clone(&context.producer)))
    }
}

impl fmt::Debug for HookContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookContext").field("states", &self.states).finish_non_exhaustive()
    }
}

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

#[diagnostic::do_not_recommend]
impl HookResult for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<T, E: Into<AnyError>> HookResult for Result<T, E> {
    fn into_result(self) -> Result<(), String> {
        self.map(drop).map_err(one_line)
    }
}

/// `!` by the only name that it has: the return type of a function that never returns.
type Never = <fn() -> ! as Returns>::Output;

#[diagnostic::do_not_recommend]
impl HookResult for Never {
    fn into_result(self) -> Result<(), String> {
        match self {}
    }
}

/// Erases the type of a hook.
pub(super) fn boxed<M, H>(hook: H) -> BoxHook
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
pub(super) fn boxed_state<M, H>(make: H) -> StateMaker
where
    H: HookFn<M>,
    H::Output: StateResult,
{
    Arc::new(move |argument| {
        let call = make.clone().call(argument);
        Box::pin(async move { Ok(Arc::new(call.await.into_state()?) as AnyState) })
    })
}

fn one_line(error: impl Into<AnyError>) -> String {
    let error: AnyError = error.into();
    HandlerError::from_chain("", &*error).message
}
