//! Copies that stay unconfirmed: their log lines, and their state in health.

use std::time::Duration;

use tokio::time::Instant;

use super::LaneTask;
use super::copies::Copies;
use super::entry::CallFailure;
use super::timers::TimerKind;
use crate::broker::PublishErrorKind;
use crate::log::{Throttle, Time, warn};
use crate::runtime::member_status::UnconfirmedCopy;
use crate::runtime::status::LATE;

/// How often copies in flight are checked.
const LOOK: Duration = Duration::from_secs(1);

/// The state of a lane's unconfirmed copies.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    /// Whether a check is scheduled.
    watching: bool,
    /// When they were last logged.
    throttle: Throttle,
    /// Whether health has a report about them.
    reported: bool,
}

impl LaneTask {
    /// Schedules a check of the copies in flight, if none is scheduled.
    pub(super) fn watch_copies(&mut self) {
        if !std::mem::replace(&mut self.output.unconfirmed.watching, true) {
            let due = self.timers.turn_began() + LOOK;
            self.timers.add(due, i64::MAX, TimerKind::Copies);
        }
    }

    /// Reports that the broker refused a record's copies for now.
    pub(super) fn report_refused(
        &mut self,
        offset: i64,
        kind: PublishErrorKind,
        failure: &CallFailure,
        pause: Duration,
    ) {
        let now = self.timers.turn_began();
        if self.output.unconfirmed.throttle.admit(now).is_some() {
            let next = format!(
                "not published, tried again in {}; the record is not finished before, nor does what has to keep its \
                 order behind it begin",
                Time::about(pause)
            );
            self.warn_failed(offset, failure, &next);
        }
        if kind == PublishErrorKind::Denied && !self.output.unconfirmed.reported {
            self.report_unconfirmed(offset, now);
        }
    }

    /// Reports copies that are late or denied to health, and late ones to the log.
    pub(super) fn look_at_copies(&mut self, now: Instant) {
        self.output.unconfirmed.watching = false;
        let copies =
            || self.in_flight.iter().filter_map(|(offset, entry)| Some((offset, entry.copies.as_ref()?)));
        let oldest = copies().min_by_key(|(offset, copies)| (copies.since(), *offset));
        let denied = copies().find(|(_, copies)| copies.is_denied());
        let any = oldest.is_some();
        let late = oldest.filter(|(_, copies)| now - copies.since() >= LATE);
        let told = late.or(denied).map(|(offset, _)| offset);
        if let Some((offset, copies)) = late {
            let (topic, age) = (copies.topic().to_owned(), now - copies.since());
            let why = copies.error().map_or_else(
                || {
                    "the broker has not answered: too few replicas in sync, or it cannot be reached"
                        .to_owned()
                },
                |error| error.message.clone(),
            );
            if self.output.unconfirmed.throttle.admit(now).is_some() {
                warn!(topic = %self.scope.topic, partition = self.scope.partition, offset, group = %self.scope.spec.group,
                    handler = %self.scope.handler.name, to = topic,
                    "a copy is not confirmed for {} s, its record is not finished before: {why}", age.as_secs());
            }
        }
        match told {
            Some(offset) => self.report_unconfirmed(offset, now),
            None if std::mem::take(&mut self.output.unconfirmed.reported) => {
                self.scope.shared.status().unconfirmed.remove(&self.scope.control.epoch);
            }
            None => {}
        }
        if any {
            self.watch_copies();
        }
    }

    fn report_unconfirmed(&mut self, offset: i64, now: Instant) {
        let Some(copies) = &self.in_flight.entry(offset).copies else { return };
        let copy = UnconfirmedCopy {
            handler: self.scope.handler.name.clone(),
            topic: self.scope.topic.clone(),
            partition: self.scope.partition,
            offset,
            to: copies.topic().into(),
            age: now - copies.since(),
            error: copies.error().map(|error| error.message.clone()),
        };
        self.output.unconfirmed.reported = true;
        self.scope.shared.status().unconfirmed.insert(self.scope.control.epoch, (copies.since(), copy));
    }
}

impl Copies {
    fn is_denied(&self) -> bool {
        self.error().is_some_and(|error| error.kind == PublishErrorKind::Denied)
    }
}
