//! Bugs that tests plant, to prove that the simulation finds them. Only with the feature `planted-bugs`, which is for
//! this project's own tests: other programs contain none of it.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::LaneControl;
use super::offsets::Offsets;
use super::settled::Settled;
use crate::broker::Epoch;

/// A bug that can be planted in the runtime of the current thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Stores the highest offset seen instead of the finished prefix.
    StoreHighest,
    /// A stale ack counts, in the current assignment of its partition.
    ForgetEpoch,
    /// A record that waits for its key is not tracked.
    ForgetQueued,
    /// A record is finished before its copy is confirmed.
    SettleEarly,
    /// A record is finished before its copy in the next retry topic is confirmed.
    GoOnEarly,
    /// A partition of a retry topic that is assigned again forgets when its first record is due.
    ForgetDue,
    /// A drain has no end.
    DrainForEver,
    /// The dead-letter guard ignores the share.
    ForgetShare,
    /// A plain function that exceeds its `timeout` continues beside the next attempt.
    CancelPlain,
    /// The brake does not stop records that wait behind their key.
    ForgetBrake,
    /// A kept record is read from a batch that was refilled.
    ReuseIndex,
    /// Each record's refused copies are published again after their own pause, whatever comes before them.
    RepublishAlone,
    /// A failed record of a key keeps the key, even from an earlier record that is to be called again.
    KeepKey,
}

thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
    static LANES: RefCell<Vec<KnownLane>> = const { RefCell::new(Vec::new()) };
}

/// A lane that was started on this thread, by group, topic and partition.
struct KnownLane {
    epoch: Epoch,
    tp: (Arc<str>, Arc<str>, i32),
    control: Weak<LaneControl>,
}

/// Plants a bug in the runtime of the current thread, and replaces an earlier one; `None` plants none.
pub fn plant(bug: Option<Planted>) {
    PLANTED.set(bug);
}

pub(super) fn is_planted(bug: Planted) -> bool {
    PLANTED.get() == Some(bug)
}

/// Returns the offset to store: the prefix, or the highest offset seen.
pub(super) fn prefix(prefix: Option<i64>, next: i64) -> Option<i64> {
    if is_planted(Planted::StoreHighest) && prefix.is_some() { Some(next) } else { prefix }
}

/// Finishes a record that is not finished.
pub(super) fn finish_if(bug: Planted, offsets: &mut Offsets, offset: i64) {
    if is_planted(bug) {
        offsets.finish(offset);
    }
}

pub(super) fn drain(until: Instant) -> Instant {
    if is_planted(Planted::DrainForEver) { until + Duration::from_secs(24 * 3600) } else { until }
}

pub(super) fn note_lane(tp: (Arc<str>, Arc<str>, i32), control: &Arc<LaneControl>) {
    if is_planted(Planted::ForgetEpoch) {
        let known = KnownLane { epoch: control.epoch, tp, control: Arc::downgrade(control) };
        LANES.with_borrow_mut(|lanes| lanes.push(known));
    }
}

/// Settles a record in the newest assignment of the partition that this lane had.
pub(super) fn settles_in_newest(stale: Epoch, settled: Settled) -> bool {
    let newest = LANES.with_borrow(|lanes| {
        let tp = &lanes.iter().find(|lane| lane.epoch == stale)?.tp;
        let newest = lanes.iter().rfind(|lane| lane.tp == *tp && lane.epoch != stale)?;
        newest.control.upgrade()
    });
    newest.is_some_and(|newest| newest.deliver(settled))
}
