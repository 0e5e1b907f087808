//! A running app: its memberships, until it is asked to stop, has to stop, or is dropped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::membership::{Membership, MembershipEnd};
use super::shutdown::{Contexts, Shutdown};
use super::{Exit, Health, Plan};
use crate::broker::BrokerError;
use crate::context::{States, StopRequest};
use crate::log::{Time, count, error, info, warn};
use crate::runtime::{HeldRecord, Uncommitted};

/// A line names at most this many partitions.
const NAMED: usize = 5;

/// A running app. Dropping it is a crash: nothing is drained, no hook runs.
///
/// ```
/// use faststream::{FastStream, LaunchOptions, StartOptions, memory::MemoryBroker, subscriber};
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64) {}
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let plan = app.plan(LaunchOptions::default()).expect("the app is right");
/// let mut running = plan.start(StartOptions::default()).await?;
/// assert!(running.health().live && running.held().is_empty());
/// running.shutdown();
/// assert_eq!(running.ended().await.code, 0);
/// # Ok::<(), faststream::StartError>(())
/// # }).unwrap();
/// ```
pub struct Running {
    memberships: Arc<[Membership]>,
    /// The states that the handlers get.
    states: Arc<States>,
    /// Cancelled when the app is asked to stop, or stops for another reason.
    shutdown: CancellationToken,
    /// The startup is complete, including `after_startup`.
    started: AtomicBool,
    exit: watch::Receiver<Option<Exit>>,
    task: AbortHandle,
}

impl Running {
    /// Joins all groups, and keeps their memberships alive.
    ///
    /// # Errors
    /// If a client library refuses its settings. Memberships that were joined before end as in a crash.
    pub(super) fn begin(
        plan: &Plan,
        contexts: &Contexts,
        stop: Arc<StopRequest>,
        teardown: Shutdown,
    ) -> Result<Self, BrokerError> {
        let mut memberships = Vec::new();
        for group in &plan.groups {
            let broker = plan.brokers.get(&group.broker).expect("start-up checks found the broker");
            let context = contexts.get(&group.broker).expect("every broker has a context");
            match Membership::join(Arc::clone(group), Arc::clone(broker), Arc::clone(context)) {
                Ok(membership) => memberships.push(membership),
                Err(error) => {
                    memberships.iter().for_each(Membership::crash);
                    return Err(error);
                }
            }
        }
        let memberships: Arc<[Membership]> = memberships.into();
        let shutdown = CancellationToken::new();
        let (told, exit) = watch::channel(None);
        let led = supervise(Arc::clone(&memberships), shutdown.clone(), stop, teardown);
        let task = tokio::spawn(async move {
            told.send_replace(Some(led.await));
        });
        let task = task.abort_handle();
        let states = contexts.values().next().map(|context| Arc::clone(&context.states)).unwrap_or_default();
        Ok(Self { memberships, states, shutdown, started: AtomicBool::new(false), exit, task })
    }

    /// Returns whether the app is shutting down, or has ended.
    pub(super) fn is_ending(&self) -> bool {
        self.shutdown.is_cancelled() || self.exit.borrow().is_some()
    }

    /// Returns the memberships of all groups.
    pub(super) fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// Marks the startup as complete.
    pub(super) fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Asks the app to drain and to end. Returns at once.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
        // Notified directly, too: the task that supervises the app has no thread to run on if handlers block all of
        // them.
        self.memberships.iter().for_each(Membership::shutdown);
    }

    /// Waits until the app has ended: by [`shutdown`](Self::shutdown), by a `Stop` verdict, or by a fatal error.
    pub async fn ended(&mut self) -> Exit {
        let exit = self.exit.wait_for(Option::is_some).await;
        let gone = || Exit { code: 3, messages: vec!["the task that leads the app died".into()] };
        exit.ok().and_then(|exit| exit.clone()).unwrap_or_else(gone)
    }

    /// Returns whether the app is live and ready, with reasons.
    #[must_use]
    pub fn health(&self) -> Health {
        let phase = if self.is_ending() {
            Some("the app is shutting down")
        } else if self.started.load(Ordering::Relaxed) {
            None
        } else {
            Some("the app is still starting")
        };
        Health::of(phase, &self.memberships)
    }

    /// Returns a value that the handlers get as `State<T>`.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.states.shared()
    }

    /// Returns how many partitions the app reads now, in all of its groups.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.memberships.iter().map(|membership| membership.status().assignment.lanes).sum()
    }

    /// Returns the held records, by topic, partition and offset.
    #[must_use]
    pub fn held(&self) -> Vec<HeldRecord> {
        let mut held: Vec<_> =
            self.memberships.iter().flat_map(|membership| membership.status().held).collect();
        held.sort_by(|one, other| {
            let place = |held: &HeldRecord| (held.partition, held.offset);
            (&one.topic, place(one), &one.group).cmp(&(&other.topic, place(other), &other.group))
        });
        held
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        if self.exit.borrow().is_none() {
            self.memberships.iter().for_each(Membership::crash);
        }
    }
}

/// Supervises the app from its first moment to its last.
async fn supervise(
    memberships: Arc<[Membership]>,
    shutdown: CancellationToken,
    stop: Arc<StopRequest>,
    teardown: Shutdown,
) -> Exit {
    let supervised = join_all(memberships.iter().map(|membership| async {
        let end = membership.supervise(&shutdown).await;
        if let MembershipEnd::Fatal(message) = &end {
            let group = &membership.plan.request.group;
            stop.request(format!("the client of group {group} is beyond repair: {message}"));
        }
        end
    }));
    let asked = async {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => info!("shutting down"),
            reason = stop.requested() => error!("the app stops: {reason}"),
        }
        shutdown.cancel();
        Instant::now()
    };
    let (ends, began) = join(supervised, asked).await;

    let mut exit = Exit::default();
    if let Some(reason) = stop.requested().now_or_never() {
        exit.report(3, [reason]);
    }
    let mut cut_off = false;
    for end in ends {
        if let MembershipEnd::DrainExceeded(left) = end {
            cut_off = true;
            exit.report(2, left);
        }
    }
    let drain = memberships.iter().map(|membership| membership.plan.settings.drain).max();
    teardown.run(began + drain.unwrap_or_default(), cut_off, &mut exit).await;
    let running: usize = teardown.contexts.values().map(|context| context.plain.left()).sum();
    if running > 0 {
        warn!(
            running,
            "the app ends while calls of plain `fn`s still run: nothing can cancel them, they end with the process"
        );
    }
    log_end(began, &memberships, &teardown, cut_off);
    exit
}

/// Logs the last line: how long the shutdown took, what was done, and what was left.
fn log_end(began: Instant, memberships: &[Membership], teardown: &Shutdown, cut_off: bool) {
    let took = Time::about(began.elapsed());
    let tally = teardown.contexts.values().next().map(|context| context.tally.message()).unwrap_or_default();
    let uncommitted: Vec<_> =
        memberships.iter().flat_map(|membership| membership.status().commits.uncommitted).collect();
    if uncommitted.is_empty() && cut_off {
        return warn!(
            "stopped after {took}, {tally}, all that is finished is committed; what was cut off is handled again"
        );
    }
    if uncommitted.is_empty() {
        return info!("stopped after {took}, {tally}, all committed");
    }
    let left = |left: &Uncommitted| format!("{}/{} by {}", left.topic, left.partition, count(left.offsets));
    let mut places: Vec<String> = uncommitted.iter().take(NAMED).map(left).collect();
    if uncommitted.len() > NAMED {
        places.push(format!("{} more", uncommitted.len() - NAMED));
    }
    warn!(
        "stopped after {took}, {tally}, the committed offset is behind in {}: these records are handled again",
        places.join(", ")
    );
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("health", &self.health()).finish_non_exhaustive()
    }
}
