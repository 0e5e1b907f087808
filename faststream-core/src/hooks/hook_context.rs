//! What a hook may use of its app.

use std::fmt;
use std::sync::Arc;

use crate::context::{Context, States, Threads};
use crate::publish::Publisher;

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
    pub(crate) states: Arc<States>,
    /// The context of the default broker; `None` before the producer exists.
    pub(crate) context: Option<Arc<Context>>,
}

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
