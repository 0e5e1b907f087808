//! Tracks whether commits succeed, partition by partition: since when finished records are uncommitted, which
//! commits fail, and when to brake.
//!
//! The brake bounds how many records are handled twice when commits fail for long. A braked lane delivers no
//! record that is `max_uncommitted` (10,000 by default) or more beyond the last successful commit. A prototype
//! without it handled 122,340 records twice in a rolling restart of three brokers on a starved machine: its
//! members caught up at full speed while the coordinator was away.
//!
//! A lane is braked in two cases, and released by the next successful commit:
//!
//! 1. A commit of it failed (`reports.rs`), at once.
//! 2. Nothing was committed for three intervals, and at least 1 s, although records were delivered. No error need
//!    have arrived: a commit without an answer, or a held record at the front, keeps the committed offset where it
//!    is, too.
//!
//! Part of the member, on its backend's control thread. It sends no commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::Epoch;
use crate::context::LaneControl;
use crate::log::Throttle;

/// After this many intervals without a successful commit, a lane is braked as if commits had failed.
const SILENT_INTERVALS: u32 = 3;
/// Lanes are checked at least this often, however long the commit interval is. Failed commits are then retried, so
/// that a commit interval of a minute does not make one failure last a minute.
const LOOK: Duration = Duration::from_secs(1);

/// The state of the commits of one membership.
#[derive(Debug)]
pub(super) struct Commits {
    /// How often the backend commits (`commit_interval`).
    interval: Duration,
    /// When the lanes are checked next.
    next_check: Instant,
    /// Since when a lane has stored offsets, without a successful commit. Lanes without such offsets are absent.
    dirty: BTreeMap<Epoch, Instant>,
    /// Since when a lane has delivered records while no commit advanced, and the committed offset then.
    behind: BTreeMap<Epoch, (Instant, i64)>,
    /// The lanes of which a commit has failed, until the lane ends.
    failing: BTreeMap<Epoch, Failing>,
}

/// The last failure of a lane's commits, for the log and for health.
#[derive(Debug, Default)]
struct Failing {
    /// When it was logged last. A failure that comes and goes is still logged only once a minute.
    throttle: Throttle,
    /// Whether this failure was logged, so that its end is logged as well.
    is_said: bool,
    /// The last error, with its partition; `None` since a successful commit.
    message: Option<String>,
}

impl Commits {
    /// Returns the state of a membership that has committed nothing.
    pub(super) fn new(interval: Duration) -> Self {
        let next_check = Instant::now() + interval.min(LOOK);
        Self {
            interval,
            next_check,
            dirty: BTreeMap::new(),
            behind: BTreeMap::new(),
            failing: BTreeMap::new(),
        }
    }

    /// Returns when the lanes are to be checked; the member's deadline contains it.
    pub(super) fn next_check(&self) -> Instant {
        self.next_check
    }

    /// Returns whether it is time for a check.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next_check
    }

    /// Records a successful commit: the uncommitted time starts again now. Returns true if that is to be logged,
    /// because the commit before had failed.
    pub(super) fn accepted(&mut self, now: Instant, lane: Epoch) -> bool {
        self.dirty.entry(lane).and_modify(|since| *since = now);
        let failing = self.failing.get_mut(&lane);
        failing.is_some_and(|failing| failing.message.take().is_some() && failing.is_said)
    }

    /// Records a failed commit. Returns true if it is to be logged: the first time, then once a minute, even if some
    /// commits succeed in between.
    pub(super) fn failed(&mut self, now: Instant, lane: Epoch, message: String) -> bool {
        self.dirty.entry(lane).or_insert(now);
        let failing = self.failing.entry(lane).or_default();
        let is_logged = failing.throttle.admit(now).is_some();
        failing.is_said = is_logged || (failing.is_said && failing.message.is_some());
        failing.message = Some(message);
        is_logged
    }

    /// Returns whether to retry the failed commit now, because the backend's timer would be too late: its interval
    /// is longer than 1 s.
    pub(super) fn ask_again(&self) -> bool {
        self.interval > LOOK && self.error().is_some()
    }

    /// Checks all lanes, once an interval or more often: brakes those that are behind for too long, and forgets
    /// those that have ended. Costs a few atomic loads for each lane.
    pub(super) fn check<'a>(&mut self, now: Instant, lanes: impl Iterator<Item = &'a Arc<LaneControl>>) {
        self.next_check = now + self.interval.min(LOOK);
        let before = std::mem::take(&mut self.dirty);
        let behind = std::mem::take(&mut self.behind);
        let mut alive = BTreeSet::new();
        for lane in lanes {
            alive.insert(lane.epoch);
            if lane.offsets.is_behind() {
                // Whatever the reason: unanswered commits, unconfirmed results, or a held record.
                let committed = lane.offsets.committed_offset();
                let known = behind.get(&lane.epoch).filter(|(_, from)| *from == committed);
                let since = known.map_or(now, |(since, _)| *since);
                self.behind.insert(lane.epoch, (since, committed));
                if now - since >= self.silence() {
                    lane.brake();
                }
            }
            if !lane.offsets.is_dirty() {
                // A lane that has nothing to commit any more no longer fails.
                self.failing.entry(lane.epoch).and_modify(|failing| failing.message = None);
                continue;
            }
            let since = before.get(&lane.epoch).copied().unwrap_or(now);
            self.dirty.insert(lane.epoch, since);
        }
        self.failing.retain(|lane, _| alive.contains(lane));
    }

    /// Returns how long finished records have been uncommitted, in the worst partition; zero if commits succeed.
    pub(super) fn dirty_for(&self, now: Instant) -> Duration {
        let fails = |lane| self.failing.get(lane).is_some_and(|failing| failing.message.is_some());
        let ages = self.dirty.iter().map(|(lane, since)| (lane, now - *since));
        ages.filter(|(lane, age)| *age >= self.silence() || fails(lane))
            .map(|(_, age)| age)
            .max()
            .unwrap_or_default()
    }

    /// Returns the time without a successful commit that counts as a failure. However short the interval is, a commit
    /// takes some time.
    fn silence(&self) -> Duration {
        (self.interval * SILENT_INTERVALS).max(LOOK)
    }

    /// Returns the error of one of the partitions whose last commit failed, for health; `None` if no commit fails.
    pub(super) fn error(&self) -> Option<String> {
        self.failing.values().find_map(|failing| failing.message.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn dirty_lane(number: u64) -> Arc<LaneControl> {
        let lane = Arc::new(LaneControl::new(Epoch(number), 0));
        lane.offsets.note(Some(10), None);
        lane
    }

    #[tokio::test(start_paused = true)]
    async fn one_failing_partition_is_not_hidden_by_the_others() {
        let (mut commits, mut now) = (Commits::new(SECOND), Instant::now());
        let (failing, sound) = (dirty_lane(1), dirty_lane(2));
        let mut said = 0;
        for _ in 0..120 {
            now += SECOND;
            sound.committed(sound.offsets.committed_offset() + 1);
            sound.offsets.note(Some(sound.offsets.committed_offset() + 10), None);
            assert!(!commits.accepted(now, sound.epoch));
            said += u32::from(commits.failed(now, failing.epoch, "refused".into()));
            commits.check(now, [&failing, &sound].into_iter());
        }
        assert_eq!((said, commits.error()), (2, Some("refused".into())));
        assert_eq!(commits.dirty_for(now), SECOND * 119);
        assert!(failing.is_braked() && !sound.is_braked());
        failing.committed(10);
        assert!(commits.accepted(now, failing.epoch));
        commits.check(now, [&failing].into_iter());
        assert_eq!((commits.error(), commits.dirty_for(now)), (None, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_that_fails_by_turns_is_said_once_a_minute() {
        let (mut commits, start) = (Commits::new(SECOND), Instant::now());
        let mut said = Vec::new();
        for second in 0..=120 {
            let now = start + SECOND * second;
            let failed = commits.failed(now, Epoch(1), "refused".into());
            assert_eq!(commits.accepted(now, Epoch(1)), failed, "its end is said if it was");
            said.extend(failed.then_some(second));
        }
        assert_eq!(said, [0, 60, 120]);
    }

    #[tokio::test(start_paused = true)]
    async fn however_seldom_is_committed_lanes_are_looked_at_and_what_failed_is_committed_again() {
        let (mut commits, start, lane) = (Commits::new(SECOND * 3600), Instant::now(), dirty_lane(1));
        for second in 1..=600 {
            let now = start + SECOND * second;
            assert!(commits.is_due(now));
            commits.check(now, [&lane].into_iter());
            assert!(!commits.ask_again() && !lane.is_braked());
            assert_eq!(commits.dirty_for(now), Duration::ZERO, "it waits for its time");
        }
        let failed = start + SECOND * 601;
        commits.failed(failed, lane.epoch, "refused".into());
        assert!(commits.ask_again() && !commits.dirty_for(failed).is_zero());
        commits.accepted(failed, lane.epoch);
        assert!(!commits.ask_again());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_delivered_and_not_even_stored_brakes_and_a_commit_that_moves_on_does_not() {
        let (mut commits, now) = (Commits::new(SECOND), Instant::now());
        let (moves, stands) =
            (Arc::new(LaneControl::new(Epoch(1), 0)), Arc::new(LaneControl::new(Epoch(2), 0)));
        for interval in 0..10 {
            for lane in [&moves, &stands] {
                lane.offsets.note(None, Some(3));
            }
            moves.committed(i64::from(interval));
            commits.check(now + SECOND * interval, [&moves, &stands].into_iter());
        }
        assert!(stands.is_braked() && !moves.is_braked());
        assert_eq!(commits.dirty_for(now + SECOND * 10), Duration::ZERO, "no commit fails");
    }

    #[tokio::test(start_paused = true)]
    async fn three_silent_intervals_brake_as_a_failure_does() {
        let (mut commits, now, lane) = (Commits::new(SECOND), Instant::now(), dirty_lane(1));
        for interval in 0..3 {
            commits.check(now + SECOND * interval, [&lane].into_iter());
        }
        assert!(!lane.is_braked());
        commits.check(now + SECOND * 3, [&lane].into_iter());
        assert!(lane.is_braked());
    }
}
