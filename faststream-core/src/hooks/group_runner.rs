//! Runs the hooks of a group, so that they cannot affect the membership: failures are logged, and time is limited.
//!
//! At most one call of `on_commit_error` runs at a time: the next call reports the failures that occur meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{
    BoxGroupHook, CommitFailure, GroupHooks, GroupPartition, HookContext, HookFailure, Rebalance, run_guarded,
};
use crate::TopicPartition;
use crate::broker::RevocationId;
use crate::context::{BusyGuard, Context, LaneControl};
use crate::log::{Time, error};

/// Runs the hooks of one group.
pub(crate) struct GroupHookRunner {
    group: Arc<str>,
    hooks: Arc<GroupHooks>,
    context: Arc<Context>,
    runtime: Handle,
    /// How long the hooks of one event may take together.
    deadline: Duration,
    failures: Arc<Mutex<Failures>>,
    ended: Arc<EndedRevocations>,
}

/// The revocations whose `on_revoked` has ended, until the member takes them. `None` stands for the shutdown.
struct EndedRevocations {
    ended: Mutex<Vec<Option<RevocationId>>>,
    /// Wakes the member.
    wake: Arc<Notify>,
}

/// Failed commits to be reported to `on_commit_error`.
#[derive(Default)]
struct Failures {
    waiting: Vec<CommitFailure>,
    /// A call runs, and will report the waiting failures.
    telling: bool,
}

impl GroupHookRunner {
    /// Returns a runner without hooks. It wakes the member when an `on_revoked` has ended.
    pub(crate) fn new(
        group: Arc<str>,
        context: Arc<Context>,
        wake: Arc<Notify>,
        runtime: Handle,
        deadline: Duration,
    ) -> Self {
        let ended = Arc::new(EndedRevocations { ended: Mutex::default(), wake });
        Self { group, hooks: Arc::default(), context, runtime, deadline, failures: Arc::default(), ended }
    }

    pub(crate) fn set(&mut self, hooks: Arc<GroupHooks>) {
        self.hooks = hooks;
    }

    /// Returns whether partitions wait for a hook before their first record; [`assigned`](Self::assigned) lets them
    /// begin.
    pub(crate) fn delay_starts(&self) -> bool {
        !self.hooks.assigned.is_empty()
    }

    /// Returns whether partitions wait for a hook before they are released.
    pub(crate) fn delay_answers(&self) -> bool {
        !self.hooks.revoked.is_empty()
    }

    /// Lets these lanes begin once `on_assigned` has ended, or its time is over.
    pub(crate) fn assigned(&self, lanes: Vec<(TopicPartition, Arc<LaneControl>)>) {
        if !self.delay_starts() || lanes.is_empty() {
            return;
        }
        let run = self.run("on_assigned", self.hooks.assigned.clone(), self.rebalance(&lanes));
        self.spawn(async move {
            run.await;
            for (_, control) in &lanes {
                control.open_gate();
            }
        });
    }

    /// Runs `on_revoked`. [`take_ended`](Self::take_ended) returns the revocation once it has ended, or its time is
    /// over.
    pub(crate) fn revoked(
        &self,
        revocation: Option<RevocationId>,
        lanes: &[(TopicPartition, Arc<LaneControl>)],
    ) {
        if lanes.is_empty() {
            // Each was reported before, or had died.
            return self.ended.add(revocation);
        }
        let run = self.run("on_revoked", self.hooks.revoked.clone(), self.rebalance(lanes));
        let ended = Arc::clone(&self.ended);
        self.spawn(async move {
            run.await;
            ended.add(revocation);
        });
    }

    /// Returns the revocations whose `on_revoked` has ended since the last call.
    pub(crate) fn take_ended(&self) -> Vec<Option<RevocationId>> {
        std::mem::take(&mut lock(&self.ended.ended))
    }

    /// Runs `on_lost`. Nothing waits for it, because another member may own the partitions already.
    pub(crate) fn lost(&self, lanes: &[(TopicPartition, Arc<LaneControl>)]) {
        if !self.hooks.lost.is_empty() && !lanes.is_empty() {
            self.spawn(self.run("on_lost", self.hooks.lost.clone(), self.rebalance(lanes)));
        }
    }

    /// Runs `on_commit_error` with these failures, now or once its current call has ended.
    pub(crate) fn commits_failed(&self, failed: Vec<CommitFailure>) {
        if self.hooks.commit_error.is_empty() || failed.is_empty() {
            return;
        }
        let mut failures = lock(&self.failures);
        failures.waiting.extend(failed);
        if std::mem::replace(&mut failures.telling, true) {
            return;
        }
        drop(failures);
        let (failures, hooks) = (Arc::clone(&self.failures), self.hooks.commit_error.clone());
        let (group, deadline, hook) = (Arc::clone(&self.group), self.deadline, self.hook());
        self.spawn(async move {
            while let Some(batch) = next(&failures) {
                run("on_commit_error", &group, deadline, &hooks, &hook, batch).await;
            }
        });
    }

    fn rebalance(&self, lanes: &[(TopicPartition, Arc<LaneControl>)]) -> Rebalance {
        let partition = |(tp, control): &(TopicPartition, Arc<LaneControl>)| GroupPartition {
            topic: Arc::clone(&tp.topic),
            partition: tp.partition,
            offset: control.offsets.finished_to(),
        };
        let mut partitions: Vec<_> = lanes.iter().map(partition).collect();
        partitions.sort();
        Rebalance { group: Arc::clone(&self.group), partitions }
    }

    fn hook(&self) -> HookContext {
        HookContext::of(&self.context)
    }

    fn run<T: Clone + Send + Sync + 'static>(
        &self,
        moment: &'static str,
        hooks: Vec<BoxGroupHook<T>>,
        event: T,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (group, deadline, hook) = (Arc::clone(&self.group), self.deadline, self.hook());
        async move { run(moment, &group, deadline, &hooks, &hook, event).await }
    }

    /// Runs on the app's runtime. It counts as work in progress.
    fn spawn(&self, run: impl Future<Output = ()> + Send + 'static) {
        let mut busy = BusyGuard::new(Arc::clone(&self.context.idle));
        busy.set(true);
        self.runtime.spawn(async move {
            run.await;
            drop(busy);
        });
    }
}

impl EndedRevocations {
    fn add(&self, revocation: Option<RevocationId>) {
        lock(&self.ended).push(revocation);
        self.wake.notify_one();
    }
}

/// Runs all hooks of an event, one after the other. The deadline covers all of them together.
async fn run<T: Clone + Send + Sync + 'static>(
    moment: &'static str,
    group: &Arc<str>,
    deadline: Duration,
    hooks: &[BoxGroupHook<T>],
    hook: &HookContext,
    event: T,
) {
    let (threads, until) = (hook.threads(), Instant::now().checked_add(deadline));
    for (number, call) in (1..).zip(hooks) {
        let (call, hook, event) = (Arc::clone(call), hook.clone(), event.clone());
        match run_guarded(&threads, until, async move { call(hook, event).await }).await {
            Ok(()) => {}
            Err(failure @ (HookFailure::Failed(_) | HookFailure::Panicked)) => {
                error!(%group, "hook {number} of `{moment}` {failure}");
            }
            Err(failure @ HookFailure::StillRunning) => {
                return error!(%group,
                    "hook {number} of `{moment}` {failure} after {}: cut off at its next `await`, the group goes on",
                    Time::about(deadline));
            }
            Err(failure @ HookFailure::PanickedInDrop) => {
                return error!(%group, "hook {number} of `{moment}` {failure}: the group goes on");
            }
        }
    }
}

/// Returns the failures since the last call. Once there are none, the reporting ends.
fn next(failures: &Mutex<Failures>) -> Option<Vec<CommitFailure>> {
    let mut failures = lock(failures);
    let batch = std::mem::take(&mut failures.waiting);
    failures.telling = !batch.is_empty();
    failures.telling.then_some(batch)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
