//! The lanes of a membership: started as tasks, cancelled when their time is over.
//!
//! The part of `Member` that touches tasks. A lane's life has two ends, in either order. The member fences it and
//! drops its `RunningLane`, or its task ends, is dropped, and reports that by a notice. A lane whose task ends
//! first has died, unless the member had stopped it.
//!
//! Nothing here waits for a task. The fence acts at once: from then on nothing that the task does counts. The
//! abort takes effect at the task's next `await`, and a call of a plain `fn` runs to its end.

use std::sync::Arc;

use tokio::task::AbortHandle;

use super::lane::{LaneTask, Scope};
use super::member_status::Ended;
use super::requests::Sought;
use super::status::{Notice, Shared};
use super::{Member, metrics};
use crate::TopicPartition;
use crate::broker::{Epoch, Lane, LateStore};
use crate::context::{BusyGuard, LaneControl, catch_in};
use crate::log::{Time, warn};
use crate::policy::Start;
use crate::subscriber::Subscriber;

/// A lane whose task runs.
pub(super) struct RunningLane {
    pub(super) tp: TopicPartition,
    /// The handler that reads it.
    pub(super) subscriber: Arc<Subscriber>,
    /// The control, shared with the task and with every `Ack`.
    pub(super) control: Arc<LaneControl>,
    /// Whether another member may own the partition already. Then its cancellation is logged as such, and counts
    /// as no drain timeout.
    pub(super) is_lost: bool,
    /// Stores for the lane on another thread, if the backend can.
    late_store: Option<LateStore>,
    /// Aborts the task.
    task: AbortHandle,
}

impl RunningLane {
    /// Returns what hooks report, even when the lane has ended.
    pub(super) fn share(&self) -> (TopicPartition, Arc<LaneControl>) {
        (self.tp.clone(), Arc::clone(&self.control))
    }
}

impl RunningLane {
    /// Stores, from this thread, what finished before a call that occupies the task's thread. Does nothing outside
    /// a turn of the task: it then stores by itself.
    pub(super) fn store_late(&self) {
        if let Some(store) = self.late_store.as_ref().filter(|_| self.control.work.is_in_turn()) {
            self.control.offsets.store_late(store);
        }
    }

    /// Warns about plain functions that run on although their lane has ended: nothing can cancel them.
    fn warn_plain(&self) {
        let running = self.control.work.plain_running();
        let Some(offset) = running.first() else { return };
        let TopicPartition { topic, partition } = &self.tp;
        let (group, handler) = (&self.subscriber.spec.group, &self.subscriber.handler.name);
        warn!(%group, %topic, partition, offset, %handler, running = running.len(),
            "{} still running after the end of the assignment, and nothing can cancel that: the result counts no more, \
             the record is handled again", plain_calls(&running));
    }
}

/// Returns `2 calls of a plain `fn` (offsets 4, 7) are`.
fn plain_calls(running: &[i64]) -> String {
    const SHOWN: usize = 8;
    if let [offset] = running {
        return format!("1 call of a plain `fn` (offset {offset}) is");
    }
    let offsets: Vec<_> = running.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if running.len() > SHOWN { ", ..." } else { "" };
    format!("{} calls of a plain `fn` (offsets {}{more}) are", running.len(), offsets.join(", "))
}

/// Reports that a lane's task has ended, even if the drop of its contents panics: otherwise the partition would be
/// stalled forever.
struct ExitGuard {
    /// Where the notice goes.
    shared: Arc<Shared>,
    /// The lane that ends.
    control: Arc<LaneControl>,
    /// Whether the task did not reach its end: it panicked, or was aborted. The member ignores the latter.
    died: bool,
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        let (lane, at) = (self.control.epoch, self.control.work.working_at());
        self.shared.notify(Notice::LaneEnded { lane, died: self.died, at });
    }
}

impl Drop for RunningLane {
    fn drop(&mut self) {
        // First the fence, which acts at once. The abort takes until the task's next turn.
        self.control.fence();
        self.task.abort();
        self.warn_plain();
    }
}

impl Member {
    /// Starts the task of a lane on tokio's threads, and returns the member's side of it.
    ///
    /// With `start = Latest` it first stores the lane's start. With an `on_assigned` hook it closes the gate, so
    /// that no record begins before the hook has ended.
    pub(super) fn start(&mut self, mut lane: Box<dyn Lane>) -> RunningLane {
        let epoch = lane.epoch();
        let tp = TopicPartition { topic: lane.topic().into(), partition: lane.partition() };
        let subscriber = self.scope.subscribers.iter().find(|subscriber| subscriber.spec.reads(lane.topic()));
        let subscriber = Arc::clone(subscriber.expect("only lanes with a subscriber are started"));
        // A group that begins at the end of a topic has to commit that: before its first commit, the next assignment
        // would begin at the end of then.
        // So does one that seeks forwards: what it skips would come again. One that seeks backwards has nothing to commit
        // before a record is finished; from then on, an offset from before the seek must not be where it goes on.
        let sought = self.take_sought(&tp, &*lane);
        let is_committed = sought.map_or(subscriber.spec.start == Start::Latest, Sought::is_forward);
        if is_committed && lane.store(lane.start()).is_ok() {
            self.scope.shared.notify(Notice::WantsCommit);
        }
        let (observers, idle) = (self.scope.context.observers.clone(), Arc::clone(&self.scope.context.idle));
        let control = LaneControl::new(epoch, lane.start()).of(tp.clone());
        let control = control.after_deaths(self.deaths.at_record(&tp));
        let control = Arc::new(control.observed(observers).counted_busy_by(BusyGuard::new(idle)));
        if sought.is_some_and(|sought| !sought.is_forward()) {
            control.commit_first();
        }
        if self.requests.pauses.stop(&subscriber.handler.name, &tp) {
            control.set_paused(true);
        }
        if self.hooks.delay_starts() {
            control.close_gate();
        }
        let late_store = lane.late_store();
        let scope = Scope::new(
            &*lane,
            &subscriber,
            Arc::clone(&self.scope.context),
            Arc::clone(&self.scope.settings),
            Arc::clone(&control),
            Arc::clone(&self.scope.shared),
        );
        let mut task = LaneTask::new(lane, scope, BusyGuard::new(Arc::clone(&self.scope.context.idle)));
        let (shared, own) = (Arc::clone(&self.scope.shared), Arc::clone(&control));
        let exit_guard = ExitGuard { shared, control: own, died: true };
        let task = self.scope.runtime.spawn(async move {
            let mut exit_guard = exit_guard;
            // The task is dropped inside, before the notice: when the group receives it, everything is gone.
            let run = catch_in(async move { std::future::poll_fn(|cx| task.poll(cx)).await });
            exit_guard.died = run.await.is_err();
        });
        RunningLane { tp, subscriber, control, is_lost: false, late_store, task: task.abort_handle() }
    }

    /// Ends a lane at once. If it is `late`, its drain time was exceeded: that is logged, with the record and what
    /// it still waited for. During a shutdown, the membership then ends as `DrainExceeded`.
    pub(super) fn cut_off(&mut self, epoch: Epoch, late: bool) {
        let Some(cut) = self.running.remove(&epoch) else { return };
        cut.store_late();
        if !late {
            return;
        }
        let TopicPartition { topic, partition } = &cut.tp;
        let (handler, drain) = (&*cut.subscriber.handler.name, Time(cut.subscriber.spec.drain));
        let left = cut.control.unfinished();
        let offset = left.map(|left| left.offset);
        let what = left.map_or_else(|| format!("{handler} was not done"), |left| left.message(handler));
        let when = if cut.is_lost {
            "when the partition was lost".to_owned()
        } else {
            metrics::drain_timeout(&self.scope.name);
            format!("after its drain time of {drain}")
        };
        warn!(group = %self.scope.name, %topic, partition, offset, %handler,
            "{what} {when}: cut off, the record is handled again");
        // Calls that were cancelled before the shutdown do not count for the shutdown.
        if self.ending.since.is_none() {
            return;
        }
        let plain = cut.control.work.plain_running();
        let plain =
            if plain.is_empty() { String::new() } else { format!("; {} still running", plain_calls(&plain)) };
        let at = offset.map_or_else(String::new, |offset| format!(" at offset {offset}"));
        let message = format!("{topic}/{partition}{at}: {what} {when}, and is handled again{plain}");
        match &mut self.ending.how {
            Ended::Clean => self.ending.how = Ended::DrainExceeded { left: vec![message] },
            Ended::DrainExceeded { left } => left.push(message),
            Ended::Fatal { .. } | Ended::Crashed => {}
        }
    }
}
