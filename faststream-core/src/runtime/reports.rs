//! Reports about commits and calls of a membership: logged, counted, shown in its status.
//!
//! The part of `Member` that turns what has happened into text. It runs on the control thread of the backend,
//! decides nothing about lanes or commits (except the brake after a failed commit), and holds the status's lock
//! only for plain writes.

use crate::TopicPartition;
use std::sync::Arc;

use tokio::time::Instant;

use super::member_status::{StuckCall, Uncommitted};
use super::progress::How;
use super::{Member, metrics};
use crate::broker::{CommitReport, Epoch};
use crate::hooks::CommitFailure;
use crate::log::{Time, debug, info, warn};

impl Member {
    /// Reports that records were deleted before they were read: the record offsets `from` to `to`, `to` excluded.
    /// Health shows it for ten minutes.
    pub(super) fn expired(&mut self, lane: Epoch, from: i64, to: i64) {
        let Some(lane) = self.running.get(&lane) else { return };
        let TopicPartition { topic, partition } = &lane.tp;
        let records = u64::try_from(to - from).unwrap_or(0);
        metrics::expired(&self.scope.name, topic, records);
        warn!(group = %self.scope.name, %topic, partition, offset = from, next = to, records, handler = %lane.subscriber.handler.name,
            "records were deleted before they were handled: the topic keeps them for too short a time (retention.ms, \
             retention.bytes), or somebody deleted them");
        let message = format!(
            "{topic}/{partition}: {records} records from offset {from} on were deleted before {} handled them",
            lane.subscriber.handler.name
        );
        self.scope.shared.status().expired = Some((Instant::now(), message));
    }

    /// Reports the results of a commit, partition by partition. A success wakes the calls that wait for it. A
    /// failure brakes the lane, is logged at once and then once a minute, and goes to `on_commit_error`; delivery
    /// continues.
    pub(super) fn committed(&mut self, reports: &[CommitReport]) {
        let now = Instant::now();
        let mut failures = Vec::new();
        for report in reports {
            let Some(lane) = self.running.get(&report.lane) else {
                self.parted(report);
                continue;
            };
            let TopicPartition { topic, partition } = &lane.tp;
            match &report.result {
                Ok(()) => {
                    metrics::commit(&self.scope.name, "ok");
                    metrics::committed(&self.scope.name, topic, *partition, report.next);
                    lane.control.committed(report.next);
                    if self.commits.accepted(now, report.lane) {
                        info!(group = %self.scope.name, %topic, partition, offset = report.next, "commits succeed again");
                    }
                }
                Err(error) => {
                    metrics::commit(&self.scope.name, error.class.label());
                    lane.control.brake();
                    let message = format!("{topic}/{partition} at offset {}: {error}", report.next);
                    if self.commits.failed(now, report.lane, message) {
                        warn!(group = %self.scope.name, %topic, partition, offset = report.next, class = ?error.class,
                            "a commit failed ({}); delivery goes on: {error}", error.class.meaning());
                    } else {
                        debug!(group = %self.scope.name, %topic, partition, offset = report.next, "a commit failed: {error}");
                    }
                    failures.push(CommitFailure {
                        group: Arc::clone(&self.scope.name),
                        topic: Arc::clone(topic),
                        partition: *partition,
                        offset: report.next,
                        class: error.class,
                        error: error.to_string(),
                        dirty_for: self.commits.dirty_for(now),
                    });
                }
            }
        }
        {
            let mut status = self.scope.shared.status();
            status.known.commits.error = self.commits.error();
            status.known.commits.failures += failures.len() as u64;
        }
        self.hooks.commits_failed(failures);
    }

    /// Records the last commit of a lane that the shutdown has ended, so that it does not count as uncommitted. A
    /// failure needs no record: the offsets simply stay uncommitted.
    fn parted(&self, report: &CommitReport) {
        let lane = self.ending.parting.iter().find(|(_, control)| control.epoch == report.lane);
        if let (Some((_, control)), Ok(())) = (lane, &report.result) {
            control.committed(report.next);
        }
    }

    /// Returns the partitions with finished and uncommitted records at the end of the shutdown, for the status
    /// after the end. Partitions that a rebalance took before are not among them.
    pub(super) fn uncommitted(&self) -> Vec<Uncommitted> {
        let left = self.ending.parting.iter().filter_map(|(TopicPartition { topic, partition }, control)| {
            let offsets = control.offsets.uncommitted();
            (offsets > 0).then(|| Uncommitted { topic: Arc::clone(topic), partition: *partition, offsets })
        });
        left.collect()
    }

    /// Looks for lanes that are stalled, about once a second. A blocked thread and a starved lane are logged once
    /// for each stall. Slow calls that block nothing are only put into the status, because the lane's task logs
    /// them.
    pub(super) fn look_for_stuck(&mut self, now: Instant) {
        let found = self.progress.check(now, self.running.values().map(|lane| &lane.control));
        let mut calls = Vec::new();
        for stuck in found {
            let Some(lane) = self.running.get(&stuck.lane) else { continue };
            let (TopicPartition { topic, partition }, handler) = (&lane.tp, &lane.subscriber.handler.name);
            match stuck.how {
                How::Blocks if stuck.is_new => {
                    warn!(group = %self.scope.name, %topic, partition, offset = stuck.offset, %handler,
                        "a handler blocks its thread for more than {}, and no `timeout` can cancel it: make it a plain \
                         `fn`, or let `spawn_blocking` do what blocks", Time::about(stuck.age));
                }
                How::Starved if stuck.is_new => {
                    warn!(group = %self.scope.name, %topic, partition, %handler,
                        "no thread has come to this partition for {}: handlers block them all", Time::about(stuck.age));
                }
                How::Runs | How::Blocks | How::Starved => {}
            }
            if stuck.how == How::Starved {
                continue;
            }
            calls.push(StuckCall {
                handler: Arc::clone(handler),
                topic: Arc::clone(topic),
                partition: *partition,
                offset: stuck.offset,
                age: stuck.age,
                blocking: stuck.how == How::Blocks,
            });
        }
        self.scope.shared.status().known.stuck = calls;
    }
}
