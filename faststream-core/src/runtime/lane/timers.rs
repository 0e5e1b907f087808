//! What a lane waits for by the clock: the next attempt of a record, the warning about slow calls.
//!
//! One timer a lane, set to the earliest moment: a suspended call arms none of its own.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use tracing::warn;

use super::LaneTask;
use super::slots::State;

/// A call without `timeout` that takes longer is warned about, once.
const SLOW: Duration = Duration::from_secs(10);
/// A wait that is longer than this counts as settled for tests.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, i64, Kind)>,
    /// A look at slow calls is due.
    watching: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The next attempt at a record or its copies.
    Attempt,
    /// A held record is tried again.
    Held,
    /// An `Ack` that is out for an hour no longer counts as under way.
    Acking,
    /// A look at calls that take long.
    Slow,
}

impl Timers {
    fn add(&mut self, due: Instant, offset: i64, kind: Kind) {
        self.due.insert((due, offset, kind));
    }

    pub(super) fn remove(&mut self, due: Instant, offset: i64, kind: Kind) {
        self.due.remove(&(due, offset, kind));
    }

    /// A look at slow calls is due in a while, if none is yet.
    pub(super) fn watch(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.watching, true) {
            self.due.insert((now + SLOW, i64::MAX, Kind::Slow));
        }
    }

    /// Something is waited for that a test would wait for, too.
    pub(super) fn is_moving(&self) -> bool {
        let horizon = || Instant::now() + LONG;
        self.due.iter().any(|(due, _, kind)| match kind {
            Kind::Attempt => *due <= horizon(),
            Kind::Acking => true,
            Kind::Held | Kind::Slow => false,
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
    pub(super) fn wait(&mut self, offset: i64, pause: Duration, kind: Kind) {
        // A pause beyond the clock's range is as good as a year.
        let due = Instant::now().checked_add(pause).unwrap_or_else(|| Instant::now() + LONG * 9_000);
        if let Some(slot) = self.slots.get_mut(offset) {
            slot.due = Some((due, kind));
            self.timers.add(due, offset, kind);
        }
    }

    /// How long an `Ack` that is out counts as under way in tests.
    pub(super) fn wait_for_ack(&mut self, offset: i64) {
        self.wait(offset, LONG, Kind::Acking);
    }

    pub(super) fn fire_timers(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut moved = false;
        while let Poll::Ready(now) = self.timers.poll(cx) {
            while let Some((due, offset, kind)) = self.timers.due.first().copied()
                && due <= now
            {
                self.timers.due.pop_first();
                moved = true;
                if let Some(slot) = self.slots.get_mut(offset) {
                    slot.due = None;
                }
                match kind {
                    Kind::Attempt | Kind::Held => {
                        self.slots.set(offset, State::Waiting);
                        self.ready.push_back(offset);
                    }
                    Kind::Acking => {}
                    Kind::Slow => self.warn_slow(now),
                }
            }
        }
        moved
    }

    fn warn_slow(&mut self, now: Instant) {
        self.timers.watching = false;
        let mut running = false;
        for (offset, slot) in self.slots.iter().filter(|(_, slot)| slot.state() == State::Running) {
            running = true;
            let age = now - slot.since;
            // Once a call: looks are `SLOW` apart.
            if age >= SLOW && age < SLOW * 2 {
                warn!(topic = %self.topic, partition = self.lane.partition(), offset, group = %self.subscriber.group,
                    handler = %self.subscriber.handler, attempt = slot.attempt,
                    "a call takes longer than {SLOW:?}; it goes on (set `timeout` to have such calls cancelled)");
            }
        }
        if running {
            self.timers.watch(now);
        }
    }
}
