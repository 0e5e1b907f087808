//! A partition with a lane, and its state that the control thread keeps between two turns.
//!
//! Each check owns one field: `corrupt.rs`, `stalls.rs` and `memory.rs`. The lane's task sees none of them.

use std::sync::Arc;
use std::time::Instant;

use super::corrupt::CorruptWait;
use super::lane::LaneHandle;
use super::memory::FetchedAhead;

/// A partition with a lane. Its state ends with the lane, and cannot be applied to the next one.
pub(super) struct OpenPartition {
    /// The side of the lane that the control thread uses.
    pub(super) lane: Arc<LaneHandle>,
    /// The first message that arrived in the consumer's queue instead of the lane's, as a record offset. Fetching
    /// restarts there.
    misrouted: Option<i64>,
    /// The wait for records that cannot be read; `None` if there are none.
    pub(super) corrupt: Option<CorruptWait>,
    /// Since when it does not fetch, by the statistics; `None` while it fetches, and after a rebalance.
    pub(super) stalled_since: Option<Instant>,
    /// The records that it has fetched ahead, and whether it is paused because of them.
    pub(super) ahead: FetchedAhead,
    /// Whether the client has paused it because the member requested that.
    is_stopped: bool,
}

impl OpenPartition {
    /// Returns the state of a partition whose lane has just been created.
    pub(super) fn new(lane: Arc<LaneHandle>) -> Self {
        let ahead = FetchedAhead::new(lane.position(), Instant::now());
        Self { lane, misrouted: None, corrupt: None, stalled_since: None, ahead, is_stopped: false }
    }

    /// Records that a message arrived in the consumer's queue: the lane has not seen it. The lane counts as
    /// drifted, because librdkafka's position is after that message.
    pub(super) fn mark_misrouted(&mut self, offset: i64) {
        self.lane.mark_drifted();
        self.misrouted = Some(self.misrouted.map_or(offset, |before| before.min(offset)));
    }

    /// Returns where fetching restarts because of such messages, and forgets them; `None` if there were none.
    pub(super) fn take_misrouted(&mut self) -> Option<i64> {
        let offset = self.misrouted.take()?;
        Some(offset.min(self.lane.position()))
    }

    /// Returns whether the client has paused it, for one reason or several.
    pub(super) fn is_paused(&self) -> bool {
        self.is_stopped || self.ahead.is_paused() || self.corrupt.as_ref().is_some_and(CorruptWait::is_paused)
    }

    /// Returns whether the client has yet to pause or resume it, because the member requested that.
    pub(super) fn is_to_change(&self) -> bool {
        self.is_stopped != self.lane.is_paused()
    }

    /// Takes that over. Returns whether it is paused by the member now.
    pub(super) fn change(&mut self) -> bool {
        self.is_stopped = self.lane.is_paused();
        self.is_stopped
    }

    /// Returns whether it needs no work until something happens. Otherwise the control thread turns every 20 ms.
    pub(super) fn is_at_rest(&self) -> bool {
        self.misrouted.is_none() && self.corrupt.is_none() && !self.is_to_change()
    }
}
