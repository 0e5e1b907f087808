//! Detects from outside that a lane is stalled: a call that blocks its thread, or that takes longer than it may.
//!
//! Kafka notices neither, because a separate thread keeps the membership alive.
//!
//! The method: about once a second the member wakes every lane, so a live task takes a turn, which changes its
//! count of turns. A count that has not changed for 10 s means that the task did not run. The count is odd during
//! a turn. So odd means that the task itself blocks its thread, and even means that no thread comes to it, because
//! others block them all.
//!
//! Calls that wait without blocking are known to the task, which notes the longest of them (`Work::slow`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::Epoch;
use crate::context::LaneControl;

/// A lane's task that was woken and did not run for this long: something blocks its thread.
const BLOCKED: Duration = Duration::from_secs(10);

/// When each lane's task ran last, as of the last check.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The lanes at the last check. Those that have ended are dropped with the next one.
    seen: BTreeMap<Epoch, Seen>,
}

/// One lane, as of the last check.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The number of turns that had begun or ended.
    turns: u64,
    /// The time of the check at which the number of turns was new.
    since: Instant,
    /// Whether the stall was reported. Reset by the next turn of the task.
    said: bool,
}

/// What stalls a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) lane: Epoch,
    /// The record, if it is known, as a record offset.
    pub(super) offset: Option<i64>,
    /// How long it has lasted, to within a few seconds.
    pub(super) age: Duration,
    /// What the stall does to other lanes.
    pub(super) how: How,
    /// Whether it was not reported before.
    pub(super) is_new: bool,
}

/// The kinds of stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// A call waits for something, and affects no other lane.
    Runs,
    /// A call blocks its thread: other lanes may be stalled as well.
    Blocks,
    /// No thread runs the lane's task: others block all of them.
    Starved,
}

impl Progress {
    /// Checks all lanes, about once a second, and wakes them: each live task takes a turn before the next check.
    /// Returns those that are stalled, at every check for as long as it lasts.
    pub(super) fn check<'a>(
        &mut self,
        now: Instant,
        lanes: impl Iterator<Item = &'a Arc<LaneControl>>,
    ) -> Vec<Stuck> {
        let before = std::mem::take(&mut self.seen);
        let mut stuck = Vec::new();
        for lane in lanes {
            let turns = lane.work.turns();
            let known = before.get(&lane.epoch).filter(|seen| seen.turns == turns);
            let mut seen = known.copied().unwrap_or(Seen { turns, since: now, said: false });
            let age = now - seen.since;
            if age >= BLOCKED {
                let is_new = !std::mem::replace(&mut seen.said, true);
                let how = if turns % 2 == 1 { How::Blocks } else { How::Starved };
                stuck.push(Stuck { lane: lane.epoch, offset: lane.at_work(), age, how, is_new });
            } else if let Some((offset, since)) = lane.work.slow() {
                let (offset, age) = (Some(offset), now - since);
                stuck.push(Stuck { lane: lane.epoch, offset, age, how: How::Runs, is_new: false });
            }
            self.seen.insert(lane.epoch, seen);
            lane.wake();
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_takes_no_turn_for_ten_seconds_is_stuck_until_it_does() {
        let (mut progress, mut now) = (Progress::default(), Instant::now());
        let (alive, blocked) =
            (Arc::new(LaneControl::new(Epoch(1), 0)), Arc::new(LaneControl::new(Epoch(2), 0)));
        blocked.work.turn();
        blocked.work.begins(Some(7));
        let mut found = Vec::new();
        for _ in 0..=12 {
            alive.work.turn();
            alive.work.turn();
            found.push(progress.check(now, [&alive, &blocked].into_iter()));
            now += Duration::from_secs(1);
        }
        assert!(found[..10].iter().all(Vec::is_empty));
        let expected =
            Stuck { lane: Epoch(2), offset: Some(7), age: BLOCKED, how: How::Blocks, is_new: true };
        assert_eq!(found[10], [expected]);
        assert!(!found[11][0].is_new, "said once");
        blocked.work.turn();
        assert_eq!(progress.check(now, [&blocked].into_iter()), []);
    }
}
