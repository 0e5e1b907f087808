//! Runs a group's hooks on separate threads, so that they cannot affect the membership.
//!
//! Each hook has a deadline. A panic is an error, and an error is logged. At most one call of `on_commit_error` runs at
//! a time: the next call reports the failures that occur meanwhile.

use crate::TopicPartition;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::status::{Notice, Shared};
use crate::app::{BoxGroupHook, CommitFailure, GroupHooks, GroupPartition, HookContext, Rebalance};
use crate::broker::RevocationId;
use crate::context::{BusyGuard, Context, LaneControl, apart, catch_in};
use crate::log::{Time, bounded, error};

pub(super) struct GroupHookRunner {
    group: Arc<str>,
    given: Arc<GroupHooks>,
    context: Arc<Context>,
    shared: Arc<Shared>,
    runtime: Handle,
    /// How long one call may take.
    deadline: Duration,
    failures: Arc<Mutex<Failures>>,
}

/// Failed commits to be reported to `on_commit_error`.
#[derive(Default)]
struct Failures {
    waiting: Vec<CommitFailure>,
    /// A call runs, and will report the waiting failures.
    telling: bool,
}

impl GroupHookRunner {
    pub(super) fn new(
        group: Arc<str>,
        context: Arc<Context>,
        shared: Arc<Shared>,
        runtime: Handle,
        deadline: Duration,
    ) -> Self {
        let given = Arc::default();
        Self { group, given, context, shared, runtime, deadline, failures: Arc::default() }
    }

    pub(super) fn set(&mut self, hooks: Arc<GroupHooks>) {
        self.given = hooks;
    }

    /// Returns whether partitions wait for a hook before their first record; [`assigned`](Self::assigned) lets them
    /// begin.
    pub(super) fn delay_starts(&self) -> bool {
        !self.given.assigned.is_empty()
    }

    /// Returns whether partitions wait for a hook before they are released.
    pub(super) fn delay_answers(&self) -> bool {
        !self.given.revoked.is_empty()
    }

    /// Lets these lanes begin once `on_assigned` has ended, or its time is over.
    pub(super) fn assigned(&self, lanes: Vec<(TopicPartition, Arc<LaneControl>)>) {
        if !self.delay_starts() || lanes.is_empty() {
            return;
        }
        let run = self.run("on_assigned", self.given.assigned.clone(), self.rebalance(&lanes));
        self.spawn(run, move || lanes.iter().for_each(|(_, control)| control.open_gate()));
    }

    /// Notifies the member when `on_revoked` has ended, or its time is over.
    pub(super) fn revoked(
        &self,
        revocation: Option<RevocationId>,
        lanes: Vec<(TopicPartition, Arc<LaneControl>)>,
    ) {
        let shared = Arc::clone(&self.shared);
        if lanes.is_empty() {
            // Each was reported before, or had died.
            return shared.notify(Notice::HookEnded(revocation));
        }
        let run = self.run("on_revoked", self.given.revoked.clone(), self.rebalance(&lanes));
        self.spawn(run, move || shared.notify(Notice::HookEnded(revocation)));
    }

    /// Runs `on_lost`. Nothing waits for it, because another member may own the partitions already.
    pub(super) fn lost(&self, lanes: Vec<(TopicPartition, Arc<LaneControl>)>) {
        if !self.given.lost.is_empty() && !lanes.is_empty() {
            self.spawn(self.run("on_lost", self.given.lost.clone(), self.rebalance(&lanes)), || {});
        }
    }

    pub(super) fn commits_failed(&self, failed: Vec<CommitFailure>) {
        if self.given.commit_error.is_empty() || failed.is_empty() {
            return;
        }
        let mut failures = lock(&self.failures);
        failures.waiting.extend(failed);
        if std::mem::replace(&mut failures.telling, true) {
            return;
        }
        drop(failures);
        let (failures, hooks) = (Arc::clone(&self.failures), self.given.commit_error.clone());
        let (group, deadline, hook) = (Arc::clone(&self.group), self.deadline, self.hook());
        let notify = async move {
            while let Some(batch) = next(&failures) {
                run("on_commit_error", &group, deadline, &hooks, &hook, batch).await;
            }
        };
        self.spawn(notify, || {});
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

    fn spawn(&self, run: impl Future<Output = ()> + Send + 'static, then: impl FnOnce() + Send + 'static) {
        let mut busy = BusyGuard::new(Arc::clone(&self.context.idle));
        busy.set(true);
        self.runtime.spawn(async move {
            run.await;
            then();
            drop(busy);
        });
    }
}

/// Runs all hooks of a moment, one after the other. The deadline covers all of them together, and runs separately.
async fn run<T: Clone + Send + Sync + 'static>(
    moment: &'static str,
    group: &Arc<str>,
    deadline: Duration,
    hooks: &[BoxGroupHook<T>],
    hook: &HookContext,
    event: T,
) {
    let number = Arc::new(AtomicUsize::new(0));
    let all = {
        let (group, hooks, hook, number) =
            (Arc::clone(group), hooks.to_vec(), hook.clone(), Arc::clone(&number));
        async move {
            for (this, call) in (1..).zip(hooks) {
                number.store(this, Relaxed);
                let (hook, event) = (hook.clone(), event.clone());
                // The call itself runs inside: an `async` block is not the only thing that can panic.
                match catch_in(async move { call(hook, event).await }).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => error!(%group, "hook {this} of `{moment}` failed: {}", bounded(error)),
                    Err(_) => error!(%group, "hook {this} of `{moment}` panicked"),
                }
            }
        }
    };
    let threads = hook.threads();
    // An abandoned hook may panic even in its drop.
    let ended = catch_in(async move { timeout(deadline, apart(&threads, all)).await }).await;
    let number = number.load(Relaxed);
    match ended {
        Ok(Ok(Ok(()))) => {}
        Ok(Err(_)) => error!(%group,
            "hook {number} of `{moment}` was still running after {}: cut off at its next `await`, the group goes on", Time::about(deadline)),
        Ok(Ok(Err(_))) | Err(_) => {
            error!(%group, "hook {number} of `{moment}` panicked when it was dropped: the group goes on");
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

fn lock(failures: &Mutex<Failures>) -> MutexGuard<'_, Failures> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}
