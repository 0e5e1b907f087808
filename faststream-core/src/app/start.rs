//! The startup of an app, step by step: hooks, states, brokers, producers, groups.
//!
//! It may take as long as a broker is unavailable. If it is dropped or fails, everything that began is ended in order.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::builder::StateSource;
use super::shutdown::{Contexts, Shutdown};
use super::{Exit, FastStream, LaunchOptions, Plan, Running, provision};
use crate::broker::{Broker, BrokerError};
use crate::context::{Context, IdleTracker, Observers, PlainCalls, States, StopRequest, Tally, Threads};
use crate::hooks::{BoxHook, HookContext, run_guarded};
use crate::log::{info, warn};

/// The options of a startup that are not part of the app.
#[derive(Clone, Default)]
pub struct StartOptions {
    /// The observers, which are notified of the beginning and the end of every call.
    pub observers: Observers,
    /// Counts the work in progress.
    pub idle: Arc<IdleTracker>,
    /// The threads on which plain `fn`s run.
    pub threads: Threads,
    /// A seed that makes jitter repeat. By default jitter differs in every run.
    pub seed: Option<u64>,
    /// The Unix time in milliseconds at startup. Defaults to the system's.
    pub started: Option<i64>,
}

/// The app could not be started. Everything that had begun was ended, and the shutdown hooks have run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    message: String,
}

impl StartError {
    pub(super) fn new(message: String) -> Self {
        Self { message }
    }
}

/// A broker and the name by which subscribers select it.
type NamedBroker<'a> = (&'a Option<Arc<str>>, &'a Arc<dyn Broker>);

/// A startup in progress.
struct Launch<'a> {
    plan: &'a Plan,
    options: StartOptions,
    /// The moment that `options.started` refers to, because hooks, states and brokers take time.
    began: Instant,
    states: States,
    tally: Arc<Tally>,
    /// Empty until the producers exist.
    contexts: Contexts,
    running: Option<Running>,
}

impl FastStream {
    /// Runs the app until `shutdown` resolves, then drains it. For programs with their own `main`, which also handle
    /// signals themselves.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use faststream::{FastStream, memory::MemoryBroker, subscriber};
    ///
    /// #[subscriber(topic = "orders")]
    /// async fn bill(_order: u64) {}
    ///
    /// # faststream::testing::run(false, || async {
    /// // In a program with a `main` of its own, `shutdown` is a signal that it waits for.
    /// let shutdown = tokio::time::sleep(Duration::from_secs(60));
    /// let app = FastStream::new(MemoryBroker::new()).name("billing");
    /// # let app = app.module(module_path!());
    /// let exit = app.run_until(shutdown).await;
    /// assert_eq!((exit.code, exit.messages.len()), (0, 0));
    /// # });
    /// ```
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Exit {
        match self.plan(LaunchOptions::default()) {
            Ok(plan) => plan.run_until(StartOptions::default(), shutdown).await,
            Err(faults) => Exit::not_started(faults.to_string()),
        }
    }
}

impl Plan {
    /// Starts the app: hooks, states, brokers (for which it waits as long as it takes), groups.
    ///
    /// Dropping the future skips the shutdown hooks; [`run_until`](Self::run_until) does not skip them.
    ///
    /// # Errors
    /// If a hook or a state fails or panics, or if a broker reports an error that waiting cannot fix. The shutdown
    /// hooks have run then.
    ///
    /// # Panics
    /// Never: a successful startup has a running app.
    pub async fn start(&self, options: StartOptions) -> Result<Running, StartError> {
        let mut launch = Launch::new(self, options);
        match launch.go().await {
            Ok(()) => Ok(launch.running.take().expect("a start that succeeds ends in a running app")),
            Err(error) => {
                launch.abandon().await;
                Err(error)
            }
        }
    }

    /// Starts the app and runs it until `shutdown` resolves, even if that happens during startup; then drains it.
    ///
    /// # Panics
    /// Never: a successful startup has a running app.
    pub async fn run_until(&self, options: StartOptions, shutdown: impl Future<Output = ()>) -> Exit {
        let mut launch = Launch::new(self, options);
        let mut shutdown = std::pin::pin!(shutdown);
        let started = tokio::select! {
            biased;
            () = &mut shutdown => None,
            started = launch.go() => Some(started),
        };
        match started {
            None => launch.abandon().await,
            Some(Err(error)) => {
                let mut exit = launch.abandon().await;
                exit.code = 1;
                exit.messages.insert(0, error.to_string());
                exit
            }
            Some(Ok(())) => {
                let mut running = launch.running.take().expect("a start that succeeds ends in a running app");
                tokio::select! {
                    biased;
                    () = shutdown => running.shutdown(),
                    exit = running.ended() => return exit,
                }
                running.ended().await
            }
        }
    }
}

impl<'a> Launch<'a> {
    fn new(plan: &'a Plan, options: StartOptions) -> Self {
        let mut states = States::default();
        for entry in &plan.states {
            if let StateSource::Value(value) = &entry.source {
                states.insert_shared(entry.type_id, Arc::clone(value));
            }
        }
        Self {
            plan,
            options,
            began: Instant::now(),
            states,
            tally: Arc::default(),
            contexts: Contexts::new(),
            running: None,
        }
    }

    async fn go(&mut self) -> Result<(), StartError> {
        let plan = self.plan;
        for warning in plan.warnings() {
            warn!(app = %plan.name, "{warning}");
        }
        self.run_hooks("on_startup", &plan.hooks.on_startup).await?;
        self.make_states().await?;
        let wait = |error: BrokerError| StartError { message: error.to_string() };
        try_join_all(plan.brokers.values().map(|broker| broker.connect())).await.map_err(wait)?;
        try_join_all(plan.brokers.iter().map(|broker| self.provide(broker))).await?;
        let stop = Arc::new(StopRequest::default());
        let contexts = self.contexts(&stop).map_err(wait)?;
        self.contexts = contexts.clone();
        let running = Running::begin(plan, &contexts, stop, self.shutdown()).map_err(wait)?;
        self.running = Some(running);
        self.run_hooks("after_startup", &plan.hooks.after_startup).await?;
        if let Some(running) = &self.running {
            running.set_started();
        }
        let (handlers, groups) = (plan.subscribers().len(), plan.groups.len());
        let of =
            if handlers == 0 { String::new() } else { format!(", with handlers of {}", plan.packages()) };
        info!(app = %plan.name, handlers, groups, "started{of}");
        Ok(())
    }

    /// Provides what the groups of one broker need besides the topics that they read.
    async fn provide(&self, (name, broker): NamedBroker<'_>) -> Result<(), StartError> {
        let groups: Vec<_> = self.plan.groups.iter().filter(|group| group.broker == *name).collect();
        provision::provide(&**broker, &groups).await?;
        provision::warn_of_forgotten(&**broker, &groups).await;
        Ok(())
    }

    async fn run_hooks(&self, moment: &'static str, hooks: &[BoxHook]) -> Result<(), StartError> {
        for (index, hook) in hooks.iter().enumerate() {
            let (hook, argument) = (Arc::clone(hook), self.hook());
            let ended = run_guarded(&self.options.threads, None, async move { hook(argument).await }).await;
            let failed = |how| StartError { message: format!("hook {} of `{moment}` {how}", index + 1) };
            ended.map_err(failed)?;
        }
        Ok(())
    }

    async fn make_states(&mut self) -> Result<(), StartError> {
        for entry in &self.plan.states {
            if let StateSource::Make(make) = &entry.source {
                let (make, argument) = (Arc::clone(make), self.hook());
                let state =
                    run_guarded(&self.options.threads, None, async move { make(argument).await }).await;
                let failed = |how| StartError {
                    message: format!("making the state of type `{}` {how}", entry.type_name),
                };
                self.states.insert_shared(entry.type_id, state.map_err(failed)?);
            }
        }
        Ok(())
    }

    fn hook(&self) -> HookContext {
        let context = self.contexts.get(&None).cloned();
        HookContext { states: Arc::new(self.states.clone()), context }
    }

    fn contexts(&self, stop: &Arc<StopRequest>) -> Result<Contexts, BrokerError> {
        let states = Arc::new(self.states.clone());
        let seed = self.options.seed.unwrap_or_else(|| fastrand::u64(..));
        let given = self.options.started.map(|started| (started, self.began));
        let started = given.unwrap_or_else(|| (unix_time(), Instant::now()));
        let context = |(index, (name, broker)): (u64, NamedBroker<'_>)| {
            let context = Context {
                app: Arc::clone(&self.plan.name),
                states: Arc::clone(&states),
                producer: broker.producer()?,
                observers: self.options.observers.clone(),
                idle: Arc::clone(&self.options.idle),
                plain: PlainCalls::new(self.options.threads.clone()),
                skips: self.plan.skips.clone(),
                tally: Arc::clone(&self.tally),
                stop: Arc::clone(stop),
                started,
                random: Mutex::new(fastrand::Rng::with_seed(seed.wrapping_add(index))),
            };
            Ok((name.clone(), Arc::new(context)))
        };
        (0..).zip(&self.plan.brokers).map(context).collect()
    }

    fn shutdown(&self) -> Shutdown {
        Shutdown {
            hook: self.hook(),
            contexts: self.contexts.clone(),
            hooks: self.plan.hooks.clone(),
            threads: self.options.threads.clone(),
        }
    }

    /// Ends in order everything that has begun.
    async fn abandon(&mut self) -> Exit {
        if let Some(mut running) = self.running.take() {
            running.shutdown();
            return running.ended().await;
        }
        let mut exit = Exit::default();
        self.shutdown().run(Instant::now(), false, &mut exit).await;
        info!(app = %self.plan.name, "stopped before it had started");
        exit
    }
}

/// Returns the system's time. Only this function reads the system's clock: virtual time starts from it too, unless a
/// test sets another time.
pub(crate) fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Debug for StartOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartOptions")
            .field("seed", &self.seed)
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
