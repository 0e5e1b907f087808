//! What a lane waits for by the clock: the next attempt of a record, one that is due, the warning about slow calls.
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

/// A call without `timeout` that takes longer is warned about, once.
const SLOW: Duration = Duration::from_secs(10);
/// A wait that is longer than this counts as settled for tests.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, i64, TimerKind)>,
    /// A look at slow calls is due.
    watching: bool,
    /// The slow call that was told of.
    slow: Option<i64>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the current turn began, once somebody has asked.
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
    /// A held record is tried again.
    Held,
    /// An `Ack` that is out for an hour no longer counts as under way.
    Acking,
    /// A look at calls that take long.
    Slow,
    /// A look at copies that are not confirmed.
    Copies,
}

/// What a call that takes long does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slow {
    /// Waits, as an async call does.
    Waits,
    /// Waits for a thread to begin on.
    Queued,
    /// Runs on its own thread, since then.
    Blocks(Instant),
}

impl Timers {
    pub(super) fn turn_begins(&mut self) {
        self.turn = None;
    }

    /// When this turn began: no clock is read for each record.
    pub(super) fn turn_began(&mut self) -> Instant {
        *self.turn.get_or_insert_with(Instant::now)
    }

    pub(super) fn add(&mut self, due: Instant, offset: i64, kind: TimerKind) {
        self.due.insert((due, offset, kind));
    }

    fn remove(&mut self, due: Instant, offset: i64, kind: TimerKind) {
        self.due.remove(&(due, offset, kind));
    }

    /// A look at slow calls is due in a while, if none is yet.
    pub(super) fn watch(&mut self, now: Instant, after: Duration) {
        if !std::mem::replace(&mut self.watching, true) {
            self.due.insert((now + after, i64::MAX, TimerKind::Slow));
        }
    }

    /// Something is waited for that a test would wait for, too.
    pub(super) fn is_moving(&self) -> bool {
        let horizon = || Instant::now() + LONG;
        self.due.iter().any(|(due, _, kind)| match kind {
            TimerKind::Attempt | TimerKind::Publish | TimerKind::Due => *due <= horizon(),
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
    /// The record waits for the clock.
    pub(super) fn wait(&mut self, offset: i64, pause: Duration, kind: TimerKind) {
        // A pause beyond the clock's range is as good as a year.
        let due = Instant::now().checked_add(pause).unwrap_or_else(|| Instant::now() + LONG * 9_000);
        self.wait_no_more(offset);
        if let Some(entry) = self.in_flight.get_mut(offset) {
            entry.due = Some((due, kind));
            self.timers.add(due, offset, kind);
        }
    }

    /// The record no longer waits for the clock.
    pub(super) fn wait_no_more(&mut self, offset: i64) {
        if let Some((due, kind)) = self.in_flight.get_mut(offset).and_then(|entry| entry.due.take()) {
            self.timers.remove(due, offset, kind);
        }
    }

    /// How long an `Ack` that is out counts as under way in tests.
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

    /// How long after a call's begin it is looked at.
    pub(super) fn look_after(&self) -> Duration {
        self.scope.settings.handler_ttl.map_or(SLOW, |ttl| SLOW.min(ttl))
    }

    fn warn_slow(&mut self, now: Instant) {
        self.timers.watching = false;
        let (mut running, mut slowest) = (false, None);
        let after = self.look_after();
        let has_timeout = self.scope.subscriber.timeout.is_some();
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
            // What waits for a thread is not a call that takes long: those that have the threads are.
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
            warn!(topic = %self.scope.topic, partition = self.scope.partition, offset, group = %self.scope.subscriber.group,
                handler = %self.scope.subscriber.handler, attempt, "{what}");
        }
        self.note_slow(slowest);
        if running {
            self.timers.watch(now, after);
        }
    }

    /// The calls of plain functions, by offset.
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

    /// A call ended: it is not slow any more.
    pub(super) fn no_longer_slow(&mut self, offset: i64) {
        if self.timers.slow == Some(offset) {
            self.note_slow(None);
        }
    }
}
