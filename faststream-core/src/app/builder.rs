//! The app as the user writes it.
//!
//! Only a description: building it does not connect, builds no state and cannot fail.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::group_hook::GroupHooks;
use super::hook::{AnyState, BoxHook, HookFn, HookResult, StateMaker, StateResult, boxed, boxed_state};
use crate::broker::{Broker, BrokerError};
use crate::context::drop_safely;
use crate::policy::{AckPolicy, GroupSettings, OnError, Retry};

/// An app: a broker, shared values, hooks, and defaults for its subscribers, which register themselves.
///
/// Building it never connects and never fails. Faults are reported at startup, all at once. The type has no type
/// parameters: a function returns it, `main` runs it, and a test runs the same one.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::{FastStream, GroupSettings, OnError, Retry, memory::MemoryBroker};
///
/// struct Prices(Vec<(String, f64)>);
///
/// async fn app() -> FastStream {
///     FastStream::new(MemoryBroker::new())
///         .name("billing")
///         .state(Prices(vec![("pen".to_owned(), 2.5)]))
///         .retry(Retry::attempts(3))
///         .on_error(OnError::DeadLetter)
///         .group_settings(GroupSettings::new().drain(Duration::from_secs(10)))
///         .after_startup(async || println!("reads"))
/// }
/// # drop(app());
/// ```
#[must_use = "an app does nothing until it is run"]
pub struct FastStream {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) named_brokers: BTreeMap<String, Arc<dyn Broker>>,
    /// At most one of each type, in the order in which they were given.
    pub(super) states: Vec<StateEntry>,
    pub(super) hooks: AppHooks,
    pub(super) group_hooks: GroupHooks,
    pub(super) defaults: Defaults,
    /// The subscribers that run: everything linked in, if none are selected.
    pub(super) selection: Selection,
}

/// The subscribers that an app selects.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    /// Module paths.
    pub(super) modules: Vec<String>,
    /// Names of packages.
    pub(super) packages: Vec<String>,
}

/// Defaults for subscribers that do not set their own. `None` = built-in.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) ack: Option<AckPolicy>,
    pub(super) retry: Option<Retry>,
    pub(super) on_error: Option<OnError>,
    pub(super) dead_letter: Option<Arc<str>>,
    pub(super) group_settings: GroupSettings,
}

/// A shared value, or the function that creates it.
#[derive(Clone)]
pub(super) struct StateEntry {
    pub(super) type_id: TypeId,
    pub(super) type_name: &'static str,
    pub(super) source: StateSource,
}

#[derive(Clone)]
pub(super) enum StateSource {
    Value(AnyState),
    Make(StateMaker),
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

/// The hooks of the four moments, each in the order in which they were given.
#[derive(Clone, Default)]
pub(super) struct AppHooks {
    pub(super) on_startup: Vec<BoxHook>,
    pub(super) after_startup: Vec<BoxHook>,
    pub(super) on_shutdown: Vec<BoxHook>,
    pub(super) after_shutdown: Vec<BoxHook>,
}

impl FastStream {
    /// Returns an app on this broker.
    pub fn new(broker: impl Broker) -> Self {
        Self {
            name: None,
            version: None,
            broker: Arc::new(broker),
            named_brokers: BTreeMap::new(),
            states: Vec::new(),
            hooks: AppHooks::default(),
            group_hooks: GroupHooks::default(),
            defaults: Defaults::default(),
            selection: Selection::default(),
        }
    }

    /// Sets the app's name, which is the group of subscribers without `group`. Defaults to the package's name with
    /// `#[faststream::main]`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the app's version. Defaults to the package's version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

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

    /// Adds a broker that subscribers select with `broker = "..."`. A later one of the same name replaces it.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "clicks", broker = "analytics")]
    /// async fn count(_click: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("clicks").broker("analytics", MemoryBroker::new());
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("clicks", &1).await;
    /// assert_eq!(app.broker_named("analytics").expect("named above").records("clicks").len(), 1);
    /// # });
    /// ```
    pub fn broker(mut self, name: impl Into<String>, broker: impl Broker) -> Self {
        self.named_brokers.insert(name.into(), Arc::new(broker));
        self
    }

    /// Sets a property of the default broker with precedence over every other source: `-X key=value`.
    ///
    /// # Errors
    /// If that broker has no properties.
    pub fn override_property(&mut self, key: &str, value: &str) -> Result<(), BrokerError> {
        // Nobody else holds the app's brokers until it is planned.
        match Arc::get_mut(&mut self.broker) {
            Some(broker) => broker.override_property(key, value),
            None => Err(BrokerError::new("the broker is in use already")),
        }
    }

    /// Adds a hook that runs before anything else. An error or a panic stops the startup.
    pub fn on_startup<M, H>(mut self, hook: H) -> Self
    where
        H: HookFn<M>,
        H::Output: HookResult,
    {
        self.hooks.on_startup.push(boxed(hook));
        self
    }

    /// Adds a hook that runs when the groups are joined. An error or a panic stops the app, which drains and exits with
    /// 1.
    ///
    /// ```
    /// use faststream::{FastStream, HookContext, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let app = app
    ///     .on_startup(async || println!("before anything else"))
    ///     .after_startup(async |hook: HookContext| {
    ///         let publisher = hook.publisher().expect("connected by now");
    ///         publisher.send("orders", 1_u64).await.map(drop)
    ///     })
    ///     .on_shutdown(async || println!("all handlers have ended"))
    ///     .after_shutdown(async || println!("the brokers are closed"));
    /// let app = TestApp::start(app).await;
    /// app.settle().await;
    /// assert_eq!(app.calls("bill").len(), 1);
    /// assert_eq!(app.shutdown().await.code, 0);
    /// # });
    /// ```
    pub fn after_startup<M, H>(mut self, hook: H) -> Self
    where
        H: HookFn<M>,
        H::Output: HookResult,
    {
        self.hooks.after_startup.push(boxed(hook));
        self
    }

    /// Adds a hook that runs when all handlers have ended, and that can still publish. It also runs after a failed
    /// startup.
    pub fn on_shutdown<M, H>(mut self, hook: H) -> Self
    where
        H: HookFn<M>,
        H::Output: HookResult,
    {
        self.hooks.on_shutdown.push(boxed(hook));
        self
    }

    /// Adds a hook that runs last, when everything that was published is confirmed. It also runs after a failed
    /// startup.
    pub fn after_shutdown<M, H>(mut self, hook: H) -> Self
    where
        H: HookFn<M>,
        H::Output: HookResult,
    {
        self.hooks.after_shutdown.push(boxed(hook));
        self
    }

    /// Sets the ack policy of subscribers that do not set their own.
    pub fn ack(mut self, ack: AckPolicy) -> Self {
        self.defaults.ack = Some(ack);
        self
    }

    /// Sets the retries in place of subscribers that do not set their own.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.defaults.retry = Some(retry);
        self
    }

    /// Sets the default `on_error`, for subscribers that do not set their own.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.defaults.on_error = Some(on_error);
        self
    }

    /// Sets the dead-letter topic of subscribers that do not set their own, instead of `{topic}-dlt`. For subscribers
    /// that set neither `on_error` nor `dead_letter`, it implies `on_error(OnError::DeadLetter)`.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders", ack = RejectOnError)]
    /// async fn bill(_order: u64) -> Result<(), String> {
    ///     Err("no price".into())
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// // One topic for the dead letters of all handlers, instead of one for each topic that is read.
    /// let app = FastStream::new(MemoryBroker::new()).name("billing").dead_letter("all-dead");
    /// # let app = app.module(module_path!());
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// assert_eq!(app.published::<u64>("all-dead").single(), 1);
    /// # });
    /// ```
    pub fn dead_letter(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.defaults.dead_letter = Some(topic.into());
        self
    }

    /// Sets the settings of all groups.
    pub fn group_settings(mut self, settings: GroupSettings) -> Self {
        self.defaults.group_settings = settings;
        self
    }

    /// Selects the subscribers of this module and of the modules below it, by its full path: `shop::orders`, or
    /// `module_path!()`. Repeated calls add to the selection, and to the one of [`package`](Self::package). Without any
    /// selection, the app runs all subscribers that are linked in.
    ///
    /// ```
    /// use faststream::{FastStream, TestApp, memory::MemoryBroker};
    ///
    /// mod billing {
    ///     #[faststream::subscriber(topic = "orders")]
    ///     async fn bill(_order: u64) {}
    /// }
    ///
    /// mod mailing {
    ///     #[faststream::subscriber(topic = "invoices")]
    ///     async fn mail(_invoice: u64) {}
    /// }
    ///
    /// # faststream::testing::run(false, || async {
    /// let billing = concat!(module_path!(), "::billing");
    /// let app = FastStream::new(MemoryBroker::new()).name("billing").module(billing);
    /// let app = TestApp::start(app).await;
    /// app.publish("orders", &1).await;
    /// assert_eq!(app.calls("bill").len(), 1);
    /// # });
    /// ```
    pub fn module(mut self, path: impl Into<String>) -> Self {
        self.selection.modules.push(path.into());
        self
    }

    /// Selects the subscribers of this package, by its name in `Cargo.toml`: `orders-service`, or
    /// `env!("CARGO_PKG_NAME")`. Repeated calls add to the selection, and to the one of [`module`](Self::module).
    ///
    /// A library's subscribers run in every program that uses anything of the library. Without `package` and `module`
    /// they all run, and a warning at startup names each package other than the one that has `main`.
    pub fn package(mut self, name: impl Into<String>) -> Self {
        self.selection.packages.push(name.into());
        self
    }

    fn state_entry<T: 'static>(mut self, source: StateSource) -> Self {
        let (type_id, type_name) = (TypeId::of::<T>(), std::any::type_name::<T>());
        self.states.retain(|entry| entry.type_id != type_id);
        self.states.push(StateEntry { type_id, type_name, source });
        self
    }
}

impl fmt::Debug for FastStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states: Vec<_> = self.states.iter().map(|entry| entry.type_name).collect();
        f.debug_struct("FastStream")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("broker", &self.broker)
            .field("named_brokers", &self.named_brokers)
            .field("states", &states)
            .field("defaults", &self.defaults)
            .field("selection", &self.selection)
            .finish_non_exhaustive()
    }
}
