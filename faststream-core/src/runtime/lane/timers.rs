//! The timers of a lane: the next attempt of a record, a record that is due, the warning about slow calls.
//!
//! One timer a lane, set to the earliest moment: a suspended call arms none of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::LaneTask;
use super::entry::{CallState, Entry};
use super::retry_topic::Due;
use crate::log::warn;

/// A longer call without `timeout` causes a warning, once.
const SLOW: Duration = Duration::from_secs(10);
/// A wait that is longer than this counts as settled for tests.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, i64, TimerKind)>,
    /// Whether a check of slow calls is due.
    watching: bool,
    /// The slow call that was reported.
    slow: Option<i64>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the current turn began, once it was needed.
    turn: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKind {
    /// The next attempt at a record.
    Attempt,
    /// A record's copies are published again.
    Publish,
    /// The next record of a retry topic is due.
    Due,
    /// A held record is retried.
    Held,
    /// An `Ack` that is unsettled for an hour no longer counts as work in progress.
    Acking,
    /// A check of slow calls.
    Slow,
    /// A check of unconfirmed copies.
    Copies,
}

/// What a slow call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slow {
    /// Waits, as an async call does.
    Waits,
    /// Waits for a thread.
    Queued,
    /// Runs on its own thread, since this moment.
    Blocks(Instant),
}

impl Timers {
    pub(super) fn turn_begins(&mut self) {
        self.turn = None;
    }

    /// Returns when this turn began, so that no clock is read for each record.
    pub(super) fn turn_began(&mut self) -> Instant {
        *self.turn.get_or_insert_with(Instant::now)
    }

    pub(super) fn add(&mut self, due: Instant, offset: i64, kind: TimerKind) {
        self.due.insert((due, offset, kind));
    }

    fn remove(&mut self, due: Instant, offset: i64, kind: TimerKind) {
        self.due.remove(&(due, offset, kind));
    }

    /// Schedules a check of slow calls, if none is scheduled.
    pub(super) fn watch(&mut self, now: Instant, after: Duration) {
        if !std::mem::replace(&mut self.watching, true) {
            self.due.insert((now + after, i64::MAX, TimerKind::Slow));
        }
    }

    /// Returns whether a timer is set that a test would wait for, too. While the partition is paused, none of them begins
    /// a call.
    pub(super) fn is_moving(&self, is_paused: bool) -> bool {
        let horizon = || Instant::now() + LONG;
        self.due.iter().any(|(due, _, kind)| match kind {
            TimerKind::Attempt | TimerKind::Due => !is_paused && *due <= horizon(),
            TimerKind::Publish => *due <= horizon(),
            TimerKind::Acking => true,
            TimerKind::Held | TimerKind::Slow | TimerKind::Copies => false,
        })
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Instant> {
        let Some((due, ..)) = self.due.first() else { return Poll::Pending };
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if sleep.deadline() > *due || sleep.is_elapsed() {
                    sleep.as_mut().reset(*due);
                }
                sleep
            }
            none => none.insert(Box::pin(sleep_until(*due))),
        };
        sleep.as_mut().poll(cx).map(|()| Instant::now())
    }
}

impl LaneTask {
    /// Makes the record wait for a timer.
    pub(super) fn wait(&mut self, offset: i64, pause: Duration, kind: TimerKind) {
        // A pause beyond the clock's range counts as a year.
        let due = Instant::now().checked_add(pause).unwrap_or_else(|| Instant::now() + LONG * 9_000);
        self.wait_no_more(offset);
        if let Some(entry) = self.in_flight.get_mut(offset) {
            entry.due = Some((due, kind));
            self.timers.add(due, offset, kind);
        }
    }

    /// Cancels the record's timer.
    pub(super) fn wait_no_more(&mut self, offset: i64) {
        if let Some((due, kind)) = self.in_flight.get_mut(offset).and_then(|entry| entry.due.take()) {
            self.timers.remove(due, offset, kind);
        }
    }

    /// Limits how long an unsettled `Ack` counts as work in progress in tests.
    pub(super) fn wait_for_ack(&mut self, offset: i64) {
        self.wait(offset, LONG, TimerKind::Acking);
    }

    pub(super) fn fire_timers(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut moved = false;
        while let Poll::Ready(now) = self.timers.poll(cx) {
            while let Some((due, offset, kind)) = self.timers.due.first().copied()
                && due <= now
            {
                self.timers.due.pop_first();
                moved = true;
                if let Some(entry) = self.in_flight.get_mut(offset) {
                    entry.due = None;
                }
                match kind {
                    TimerKind::Attempt | TimerKind::Held => {
                        self.in_flight.set(offset, CallState::Waiting);
                        self.ready.push(offset);
                    }
                    TimerKind::Publish => self.send(offset, true, cx),
                    TimerKind::Due => self.inbox.due = Due::Now,
                    TimerKind::Acking => {}
                    TimerKind::Slow => self.warn_slow(now),
                    TimerKind::Copies => self.look_at_copies(now),
                }
            }
        }
        moved
    }

    /// Returns how long after a call's beginning it is checked.
    pub(super) fn look_after(&self) -> Duration {
        self.scope.settings.handler_ttl.map_or(SLOW, |ttl| SLOW.min(ttl))
    }

    fn warn_slow(&mut self, now: Instant) {
        self.timers.watching = false;
        let (mut running, mut slowest) = (false, None);
        let after = self.look_after();
        let has_timeout = self.scope.handler.timeout.is_some();
        let plain = self.plain_calls();
        let mut told = Vec::new();
        let is_running =
            |(offset, entry): (i64, &Entry)| (entry.state() == CallState::Running).then_some(offset);
        let calls: Vec<i64> = self.in_flight.iter().filter_map(is_running).collect();
        for offset in calls {
            let Some(entry) = self.in_flight.get_mut(offset) else { continue };
            running = true;
            let kind = plain.get(&offset).copied().unwrap_or(Slow::Waits);
            let since = if let Slow::Blocks(since) = kind {
                since
            } else {
                entry.call.map_or(now, |call| call.began)
            };
            if now - since < after {
                continue;
            }
            // A call that waits for a thread is not slow: the calls that occupy the threads are.
            if kind != Slow::Queued && slowest.is_none_or(|(_, slow)| since < slow) {
                slowest = Some((offset, since));
            }
            let is_told = has_timeout && kind == Slow::Waits;
            if now - since >= SLOW
                && !is_told
                && entry.call.as_mut().is_some_and(|call| !std::mem::replace(&mut call.is_logged, true))
            {
                told.push((offset, entry.attempt, kind));
            }
        }
        for (offset, attempt, kind) in told {
            let what = match kind {
                Slow::Waits => {
                    "a call takes longer than 10 s; it goes on (set `timeout` to have such calls cancelled)"
                }
                Slow::Blocks(_) => {
                    "a call takes longer than 10 s; it is a plain `fn`, which nothing can cancel, so it is waited for"
                }
                Slow::Queued => {
                    "a call waits longer than 10 s for a thread: all threads of the blocking pool are busy (plain \
                     `fn` handlers and whatever else blocks share them)"
                }
            };
            warn!(topic = %self.scope.topic, partition = self.scope.partition, offset, group = %self.scope.spec.group,
                handler = %self.scope.handler.name, attempt, "{what}");
        }
        self.note_slow(slowest);
        if running {
            self.timers.watch(now, after);
        }
    }

    /// Returns the calls of plain functions, by offset.
    fn plain_calls(&self) -> BTreeMap<i64, Slow> {
        self.calls
            .plain()
            .map(|(offset, plain)| (offset, plain.begun().map_or(Slow::Queued, Slow::Blocks)))
            .collect()
    }

    fn note_slow(&mut self, slowest: Option<(i64, Instant)>) {
        self.timers.slow = slowest.map(|(offset, _)| offset);
        self.scope.control.work.note_slow(slowest);
    }

    /// Records that a slow call ended.
    pub(super) fn no_longer_slow(&mut self, offset: i64) {
        if self.timers.slow == Some(offset) {
            self.note_slow(None);
        }
    }
}
