//! The app as the user writes it.
//!
//! Only a description: building it does not connect, builds no state and cannot fail.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Selection, StateEntry};
use crate::app::scopes::ScopeSettings;
use crate::broker::{Broker, BrokerError};
use crate::hooks::{AppHooks, GroupHooks};
use crate::policy::GroupSettings;

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
    pub(in crate::app) name: Option<String>,
    pub(in crate::app) version: Option<String>,
    pub(in crate::app) broker: Arc<dyn Broker>,
    pub(in crate::app) named_brokers: BTreeMap<String, Arc<dyn Broker>>,
    /// At most one of each type, in the order in which they were given.
    pub(in crate::app) states: Vec<StateEntry>,
    pub(in crate::app) hooks: AppHooks,
    pub(in crate::app) group_hooks: GroupHooks,
    pub(in crate::app) defaults: ScopeSettings,
    pub(in crate::app) group_settings: GroupSettings,
    /// The subscribers that run: everything linked in, if none are selected.
    pub(in crate::app) selection: Selection,
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
            defaults: ScopeSettings::default(),
            group_settings: GroupSettings::default(),
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
            .field("group_settings", &self.group_settings)
            .field("selection", &self.selection)
            .finish_non_exhaustive()
    }
}
