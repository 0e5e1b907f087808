//! The metrics. Names and labels are stable, because dashboards depend on them.
//!
//! They are reported through the `metrics` facade: without a recorder, all of this does nothing. A lane counts records
//! in plain numbers and reports them once a turn. Everything else is rare.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};

use crate::context::{Context, Tally};
use crate::subscriber::{Handler, LaneSpec};

/// The series of one lane's handler. The lane's task owns them, and flushes them once a turn and when it ends.
///
/// The handles of the most frequent series are kept. Everything else looks its series up when it happens.
pub(super) struct LaneMetrics {
    /// The labels of the handler's series.
    labels: Labels,
    /// Records that were handed out.
    received: Counter,
    /// Records that were handled successfully.
    acked: Counter,
    /// How many partitions of the handler hold a record.
    held: Gauge,
    /// The app's totals, for the log line at its end.
    tally: Arc<Tally>,
    /// Records that were handed out since the last flush.
    received_now: u64,
    /// Records that were handled since the last flush.
    acked_now: u64,
    /// How many records the lane holds now. The gauge counts the partition once, whatever their number.
    held_now: u32,
}

/// `app_name`, `broker` and `handler`, in every series about records.
#[derive(Clone)]
struct Labels {
    /// The app's name, in `app_name`.
    app: Arc<str>,
    /// The name of the subscriber's broker; `default` if it has none.
    broker: Arc<str>,
    handler: Arc<str>,
}

impl Labels {
    /// Returns the counter of this name with these labels, and one more if there is an `extra`. Copies the labels,
    /// so not for each record.
    fn counter(&self, name: &'static str, extra: Option<(&'static str, String)>) -> Counter {
        let Self { app, broker, handler } = self;
        let (app, broker, handler) = (app.to_string(), broker.to_string(), handler.to_string());
        match extra {
            None => counter!(name, "app_name" => app, "broker" => broker, "handler" => handler),
            Some((key, value)) => {
                counter!(name, "app_name" => app, "broker" => broker, "handler" => handler, key => value)
            }
        }
    }
}

impl LaneMetrics {
    /// Returns the series of a handler's lane.
    pub(super) fn new(context: &Context, spec: &LaneSpec, handler: &Handler) -> Self {
        let broker = spec.broker.clone().unwrap_or_else(|| "default".into());
        let labels = Labels { app: Arc::clone(&context.app), broker, handler: Arc::clone(&handler.name) };
        let status = Some(("status", "acked".to_owned()));
        Self {
            received: labels.counter("faststream_received_messages_total", None),
            acked: labels.counter("faststream_received_processed_messages_total", status),
            held: gauge!("faststream_partitions_held", "group" => spec.group.to_string(),
                "handler" => handler.name.to_string()),
            labels,
            tally: Arc::clone(&context.tally),
            received_now: 0,
            acked_now: 0,
            held_now: 0,
        }
    }

    /// Counts a record that is handed out. A plain addition.
    pub(super) fn received(&mut self) {
        self.received_now += 1;
    }

    /// Counts a record that was handled successfully. A plain addition.
    pub(super) fn acked(&mut self) {
        self.acked_now += 1;
    }

    /// Reports the counts, once a turn.
    pub(super) fn flush(&mut self) {
        if self.received_now > 0 {
            self.received.increment(std::mem::take(&mut self.received_now));
        }
        if self.acked_now > 0 {
            self.tally.handled(self.acked_now);
            self.acked.increment(std::mem::take(&mut self.acked_now));
        }
    }

    /// Counts any outcome but success, by `status`: `nacked`, `rejected` (dead-lettered), `skipped`, `error`.
    pub(super) fn settled(&self, status: &'static str) {
        match status {
            "rejected" => self.tally.dead_lettered(),
            "skipped" => self.tally.skipped(),
            _ => {}
        }
        let name = "faststream_received_processed_messages_total";
        self.labels.counter(name, Some(("status", status.to_owned()))).increment(1);
    }

    /// Counts a failed call, by the kind of failure: `panic`, for example, or the name of the error's type.
    pub(super) fn failed(&self, kind: &'static str) {
        let name = "faststream_received_processed_messages_exceptions_total";
        self.labels.counter(name, Some(("exception_type", kind.to_owned()))).increment(1);
    }

    /// Counts a record that could not be decoded.
    pub(super) fn undecodable(&self) {
        self.labels.counter("faststream_decode_errors_total", None).increment(1);
    }

    /// Counts a retry: `in_place`, or by a `topic`.
    pub(super) fn retried(&self, kind: &'static str) {
        self.labels.counter("faststream_retries_total", Some(("kind", kind.to_owned()))).increment(1);
    }

    /// Counts a record that goes to its dead-letter topic, by the kind of failure. Once, before the dead letter is
    /// confirmed.
    pub(super) fn dead_lettered(&self, reason: &'static str) {
        self.labels
            .counter("faststream_dead_letters_total", Some(("reason", reason.to_owned())))
            .increment(1);
    }

    /// Counts a record of this lane that is held from now on, or no longer.
    pub(super) fn held(&mut self, held: bool) {
        let before = self.held_now;
        self.held_now = if held { before + 1 } else { before.saturating_sub(1) };
        match (before, self.held_now) {
            (0, 1) => self.held.increment(1.0),
            (1, 0) => self.held.decrement(1.0),
            _ => {}
        }
    }
}

impl Drop for LaneMetrics {
    fn drop(&mut self) {
        self.flush();
        if self.held_now > 0 {
            self.held.decrement(1.0);
        }
    }
}

/// Counts a commit of one partition in a group, by `result`: `ok`, or the class of the error.
pub(super) fn commit(group: &str, result: &'static str) {
    counter!("faststream_kafka_commits_total", "group" => group.to_owned(), "result" => result).increment(1);
}

/// Sets the committed offset of a partition, as a next offset.
pub(super) fn committed(group: &str, topic: &str, partition: i32, next: i64) {
    let labels =
        [("group", group.to_owned()), ("topic", topic.to_owned()), ("partition", partition.to_string())];
    // Exact up to 2^53, which no partition has reached.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    gauge!("faststream_kafka_committed_offset", &labels).set(next as f64);
}

/// Counts a rebalance of a group, by `event`: `assigned`, `revoked` or `lost`.
pub(super) fn rebalance(group: &str, event: &'static str) {
    counter!("faststream_kafka_rebalances_total", "group" => group.to_owned(), "event" => event).increment(1);
}

/// Sets how many partitions this member of the group reads.
pub(super) fn assigned(group: &str, lanes: usize) {
    let lanes = u32::try_from(lanes).unwrap_or(u32::MAX);
    gauge!("faststream_kafka_assigned_partitions", "group" => group.to_owned()).set(lanes);
}

/// Sets how long finished records of the group have been uncommitted, in the worst partition. Zero while commits
/// succeed.
pub(super) fn dirty(group: &str, dirty: Duration) {
    gauge!("faststream_commit_dirty_seconds", "group" => group.to_owned()).set(dirty.as_secs_f64());
}

/// Counts records that the broker deleted before they were read.
pub(super) fn expired(group: &str, topic: &str, records: u64) {
    counter!("faststream_expired_records_total", "group" => group.to_owned(), "topic" => topic.to_owned())
        .increment(records);
}

/// Counts a partition that is opened again because its task died.
pub(super) fn lane_restart(group: &str) {
    counter!("faststream_lane_restarts_total", "group" => group.to_owned()).increment(1);
}

/// Counts a partition whose calls did not end within the drain time.
pub(super) fn drain_timeout(group: &str) {
    counter!("faststream_drain_timeouts_total", "group" => group.to_owned()).increment(1);
}
