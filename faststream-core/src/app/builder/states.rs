//! Values that the app shares with its handlers.

use std::any::TypeId;
use std::sync::Arc;

use super::FastStream;
use crate::context::drop_safely;
use crate::hooks::{AnyState, HookFn, StateMaker, StateResult, boxed_state};

/// A shared value, or the function that creates it.
#[derive(Clone)]
pub(in crate::app) struct StateEntry {
    pub(in crate::app) type_id: TypeId,
    pub(in crate::app) type_name: &'static str,
    pub(in crate::app) source: StateSource,
}

#[derive(Clone)]
pub(in crate::app) enum StateSource {
    Value(AnyState),
    Make(StateMaker),
}

impl FastStream {
    /// Shares a value with the handlers, which take it as `State<T>`. `State<T>` holds an `Arc<T>`, so pass the value
    /// itself, not an `Arc` of it. There is one value of each type: a later one replaces it, as in a test that gives
    /// another `Db` to the same app. For two values of one type, wrap them: `struct Primary(Pool)`,
    /// `struct Replica(Pool)`.
    pub fn state<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.state_entry::<T>(StateSource::Value(Arc::new(value)))
    }

    /// Shares a value that is created at startup, and only then: in `run`, `dev` and tests. If creating it fails or
    /// panics, the app does not start.
    ///
    /// ```
    /// use faststream::{FastStream, HookContext, State, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// struct Url(&'static str);
    /// struct Database(String);
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn store(_order: u64, State(database): State<Database>) {
    ///     assert_eq!(database.0, "connected to db:5432");
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("store").state(Url("db:5432"));
    /// # let app = app.module(module_path!());
    /// let app = app.state_with(async |hook: HookContext| {
    ///     let url = hook.state::<Url>().ok_or_else(|| anyhow::anyhow!("no address"))?;
    ///     anyhow::Ok(Database(format!("connected to {}", url.0)))
    /// });
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// assert!(app.held().is_empty());
    /// # });
    /// ```
    pub fn state_with<M, H>(self, make: H) -> Self
    where
        H: HookFn<M>,
        H::Output: StateResult,
    {
        self.state_entry::<<H::Output as StateResult>::State>(StateSource::Make(boxed_state(make)))
    }

    fn state_entry<T: 'static>(mut self, source: StateSource) -> Self {
        let (type_id, type_name) = (TypeId::of::<T>(), std::any::type_name::<T>());
        self.states.retain(|entry| entry.type_id != type_id);
        self.states.push(StateEntry { type_id, type_name, source });
        self
    }
}

impl Drop for StateSource {
    /// The drop of a value may panic. That affects neither other values nor the app's exit code.
    fn drop(&mut self) {
        if let Self::Value(value) = self {
            let nothing = Arc::new(());
            drop_safely(std::mem::replace(value, nothing));
        }
    }
}
