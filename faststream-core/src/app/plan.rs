//! A checked app: its subscribers, their groups, and everything that a startup needs.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::builder::{Selection, StateEntry, StateSource};
use super::groups::{GroupPlan, group};
use super::names;
use super::resolve::{self, Resolver, longest_drain};
use super::shutdown::{BEYOND_DRAIN, FLUSH, HOOK_TIME};
use super::{
    Brokers, Environment, FastStream, LaunchOptions, StartupFault, StartupFaults, checks, loops, needs,
    packages,
};
use crate::broker::Broker;
use crate::context::Skip;
use crate::hooks::AppHooks;
use crate::subscriber::{Subscriber, SubscriberDef, registered};

/// What the program's profile disables.
const PANICS_ABORT: &str = "this program is built with `panic = \"abort\"`: a handler that panics ends it, and its record comes \
                            again after each restart; remove the setting from the profile in `Cargo.toml`";

/// A checked app that can be started. Nothing was connected, and no state was built.
///
/// ```
/// use std::time::Duration;
///
/// use faststream::{FastStream, LaunchOptions, StartOptions, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders", drain = "20s")]
/// async fn bill(_order: u64) {}
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing").version("1.2.3");
/// # let app = app.module(module_path!());
/// let plan = app.plan(LaunchOptions::default()).expect("the app is right");
/// assert_eq!((plan.name(), plan.version()), ("billing", Some("1.2.3")));
/// assert_eq!(plan.longest_drain(), Duration::from_secs(20));
/// let exit = plan.run_until(StartOptions::default(), tokio::time::sleep(Duration::from_secs(1))).await;
/// assert_eq!(exit.code, 0);
/// # });
/// ```
pub struct Plan {
    pub(super) name: Arc<str>,
    version: Option<String>,
    subscribers: Vec<Arc<Subscriber>>,
    pub(super) groups: Vec<Arc<GroupPlan>>,
    /// The brokers. The default one is first: `None` orders before any name.
    pub(super) brokers: BTreeMap<Option<Arc<str>>, Arc<dyn Broker>>,
    pub(super) states: Vec<StateEntry>,
    pub(super) hooks: AppHooks,
    pub(super) skips: BTreeSet<Skip>,
    /// Possible mistakes, logged at each startup.
    warnings: Vec<String>,
}

impl FastStream {
    /// Selects the subscribers, resolves their settings, and checks everything. Builds no state and connects to
    /// nothing.
    ///
    /// # Errors
    /// If anything is wrong: all faults at once, each with its handler, file, line and fix.
    pub fn plan(self, setting: LaunchOptions) -> Result<Plan, StartupFaults> {
        self.plan_of(registered(), setting)
    }

    /// Same as [`plan`](Self::plan), with these subscribers in place of those that are linked in.
    pub(crate) fn plan_of(
        self,
        registered: Vec<&'static SubscriberDef>,
        setting: LaunchOptions,
    ) -> Result<Plan, StartupFaults> {
        let mut faults = Vec::new();
        let hooks = !self.hooks.after_startup.is_empty();
        let selected = checks::select(registered, &self.selection, hooks, &mut faults);
        let name = self.name.clone().or_else(|| setting.package.map(ToOwned::to_owned));
        let default_group = default_group(name.as_deref(), &setting.environment, &mut faults);
        let resolver = Resolver {
            environment: &setting.environment,
            defaults: &self.defaults,
            drain: self.group_settings.drain,
            group: default_group.as_deref(),
        };
        resolve::check_defaults(&self.defaults, &mut faults);
        let enabled = selected.iter().filter(|def| resolver.is_enabled(def));
        let enabled: Vec<_> = enabled.map(|def| (*def, resolver.broker(def))).collect();
        let mut subscribers: Vec<Subscriber> = Vec::new();
        for def in &selected {
            subscribers.extend(resolver.resolve(def, &mut faults));
        }
        checks::anything_left(&selected, &subscribers, &mut faults);
        name_apart(&mut subscribers);
        let subscribers: Vec<_> = subscribers.into_iter().map(Arc::new).collect();

        let brokers = self.brokers(&setting.brokers);
        let groups = group(&subscribers, &self.group_settings, &Arc::new(self.group_hooks.clone()));
        checks::settings(&self.group_settings, &subscribers, &mut faults);
        needs::check(&enabled, &self.states, &mut faults);
        checks::brokers(&enabled, &brokers, &mut faults);
        checks::overlaps(&subscribers, &mut faults);
        checks::retry_topics(&subscribers, &mut faults);
        checks::dead_letters(&subscribers, &mut faults);
        checks::skips(&subscribers, &setting.skips, &mut faults);
        checks::broker_settings(&brokers, &groups, &mut faults);
        faults.sort_by_key(|fault| fault.handler().is_some());
        StartupFaults::check(faults)?;
        let warnings = self.warnings(&subscribers, &setting);

        Ok(Plan {
            name: name.unwrap_or_else(|| "faststream".to_owned()).into(),
            version: self.version.or_else(|| setting.version.map(ToOwned::to_owned)),
            subscribers,
            groups: groups.into_iter().map(Arc::new).collect(),
            brokers,
            states: self.states,
            hooks: self.hooks,
            skips: setting.skips,
            warnings,
        })
    }

    /// Returns possible mistakes.
    fn warnings(&self, subscribers: &[Arc<Subscriber>], setting: &LaunchOptions) -> Vec<String> {
        let mut warnings = Vec::new();
        if subscribers.is_empty() {
            warnings.push(format!("only hooks run, {}", checks::NONE_REGISTERED));
        }
        if setting.panics_abort || cfg!(panic = "abort") {
            warnings.push(PANICS_ABORT.to_owned());
        }
        // Tests choose any name for their apps, and select the subscribers under test.
        if !matches!(setting.brokers, Brokers::ByName(_)) {
            let Selection { modules, packages } = &self.selection;
            let selected = !modules.is_empty() || !packages.is_empty();
            warnings.extend(packages::warnings(subscribers, setting.package, selected));
        }
        warnings.extend(loops::warnings(subscribers));
        warnings
    }

    fn brokers(&self, instead: &Brokers) -> BTreeMap<Option<Arc<str>>, Arc<dyn Broker>> {
        let named = self.named_brokers.iter().map(|(name, broker)| (Some(Arc::from(&**name)), broker));
        let own = std::iter::once((None, &self.broker)).chain(named);
        own.map(|(name, own)| {
            let broker = match instead {
                Brokers::Own => Arc::clone(own),
                Brokers::Shared(broker) => Arc::clone(broker),
                Brokers::ByName(broker) => broker(name.as_deref(), &**own),
            };
            (name, broker)
        })
        .collect()
    }
}

impl Plan {
    /// Returns the app's name; `faststream` if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the app's version.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns a value that was given by `.state(..)`.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let found = self.states.iter().find(|entry| entry.type_id == TypeId::of::<T>())?;
        match &found.source {
            StateSource::Value(value) => Arc::clone(value).downcast().ok(),
            StateSource::Make(_) => None,
        }
    }

    /// Returns the settings of its groups.
    #[cfg(feature = "testing")]
    pub(crate) fn group_settings(&self) -> BTreeMap<Arc<str>, Arc<crate::policy::GroupSettings>> {
        let settings =
            |group: &Arc<GroupPlan>| (Arc::clone(&group.request.group), Arc::new(group.settings.clone()));
        self.groups.iter().map(settings).collect()
    }

    /// Returns how long the hooks of an assignment may take before its partitions begin.
    #[cfg(feature = "testing")]
    pub(crate) fn hooks_take(&self) -> Duration {
        let hooked = self.groups.iter().filter(|group| !group.hooks.assigned.is_empty());
        hooked.map(|group| group.settings.drain).max().unwrap_or_default()
    }

    /// Returns possible mistakes, each a sentence with its fix: handlers of other packages, records that circulate
    /// forever, panics that end the process. Logged at each startup.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the packages whose handlers run, with their numbers: `billing (2), report (1)`.
    #[must_use]
    pub fn packages(&self) -> String {
        packages::list(&self.subscribers)
    }

    /// Returns the subscribers that run, by module and line.
    #[must_use]
    pub fn subscribers(&self) -> &[Arc<Subscriber>] {
        &self.subscribers
    }

    /// Returns how long a shutdown may take until every call has ended or was cancelled: the longest drain time.
    #[must_use]
    pub fn longest_drain(&self) -> Duration {
        longest_drain(self.subscribers.iter())
    }

    /// Returns how long a shutdown may take in all, when brokers and hooks take their full time.
    #[must_use]
    pub fn longest_stop(&self) -> Duration {
        let hooks = self.hooks.on_shutdown.len() + self.hooks.after_shutdown.len();
        self.longest_drain() + BEYOND_DRAIN + FLUSH + HOOK_TIME * u32::try_from(hooks).unwrap_or(u32::MAX)
    }
}

/// Returns `KAFKA_GROUP`, else the app's name.
fn default_group(
    name: Option<&str>,
    environment: &Environment,
    faults: &mut Vec<StartupFault>,
) -> Option<String> {
    let variable = environment.get("KAFKA_GROUP").unwrap_or_else(|error| {
        faults.push(StartupFault::of_app(error.to_string()));
        None
    });
    let variable = variable.filter(|group| !group.is_empty());
    for (what, name) in [("the variable KAFKA_GROUP", variable.as_deref()), ("the app's name", name)] {
        if let Some(Err(error)) = name.map(|name| names::check_name(name, "it")) {
            faults.push(StartupFault::of_app(format!("{what}: {error}")));
        }
    }
    variable.or_else(|| name.map(ToOwned::to_owned))
}

/// Gives handlers of the same name their whole path as name.
fn name_apart(subscribers: &mut [Subscriber]) {
    let mut names: BTreeMap<&'static str, usize> = BTreeMap::new();
    for subscriber in &*subscribers {
        *names.entry(subscriber.handler.def.name).or_default() += 1;
    }
    for subscriber in subscribers {
        if names[subscriber.handler.def.name] > 1 {
            Arc::make_mut(&mut subscriber.handler).name = subscriber.handler.def.path().into();
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers: Vec<_> = self.subscribers.iter().map(|subscriber| &subscriber.handler.name).collect();
        f.debug_struct("Plan")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("handlers", &handlers)
            .field("brokers", &self.brokers)
            .finish_non_exhaustive()
    }
}
