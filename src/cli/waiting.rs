//! What `dev` waits for: calls that run, records without an outcome, and retries that are not due.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use faststream_core::app::{CallBegin, CallReport, Plan};
use faststream_core::broker::Epoch;
use faststream_core::memory::MemoryBroker;
use faststream_core::result::{Disposition, Outcome};
use faststream_core::wire::retry::DUE;

/// So many records are named; the others are counted.
const NAMED: usize = 5;

/// A record: topic, partition, offset.
type Place = (String, i32, i64);

/// What is known of records that are not finished.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Calls that run, by assignment and offset, with their handlers.
    running: BTreeMap<(Epoch, i64), String>,
    /// Calls that ended and decided nothing yet, with handler and reason.
    undecided: BTreeMap<Place, (String, String)>,
    /// Records with an outcome.
    settled: BTreeSet<Place>,
}

impl Waiting {
    pub(super) fn begins(&mut self, begin: &CallBegin<'_>) {
        self.running.insert((begin.lane, begin.offset), begin.handler.to_owned());
    }

    pub(super) fn called(&mut self, report: &CallReport<'_>) {
        self.running.remove(&(report.lane, report.offset));
        let why = match report.outcome {
            Outcome::Failed(error) | Outcome::NotEncodable(error) => {
                format!(
                    "its next attempt comes after a pause: attempt {} failed: {}",
                    report.attempt, error.message
                )
            }
            Outcome::Publish(copies) if !copies.is_empty() => "what it publishes is not confirmed".to_owned(),
            _ => "its `Ack` is not settled".to_owned(),
        };
        let place = (report.topic.to_owned(), report.partition, report.offset);
        // With some policies a record has its outcome before its call ends.
        if !self.settled.contains(&place) {
            self.undecided.insert(place, (report.handler.to_owned(), why));
        }
    }

    pub(super) fn settled(&mut self, topic: &str, partition: i32, offset: i64, disposition: Disposition) {
        // Another attempt follows.
        if disposition != Disposition::Waiting {
            let place = (topic.to_owned(), partition, offset);
            self.undecided.remove(&place);
            self.settled.insert(place);
        }
    }

    /// One line a record, without those that other lines told.
    pub(super) fn lines(&self, plan: &Plan, broker: &MemoryBroker) -> Vec<String> {
        let running =
            self.running.iter().map(|((_, offset), handler)| format!("{handler} runs, at offset {offset}"));
        let undecided = self.undecided.iter().map(|((topic, partition, offset), (handler, why))| {
            format!("{topic}/{partition} offset {offset}  {handler}: {why}")
        });
        let mut lines: Vec<String> = running.chain(undecided).collect();
        lines.extend(self.not_due(plan, broker));
        let more = lines.len().saturating_sub(NAMED);
        lines.truncate(NAMED);
        if more > 0 {
            lines.push(format!("{more} more"));
        }
        lines
    }

    /// The records in retry topics whose time has not come.
    fn not_due(&self, plan: &Plan, broker: &MemoryBroker) -> Vec<String> {
        let mut lines = Vec::new();
        for subscriber in plan.subscribers() {
            for retry in subscriber.retry_topics.iter() {
                for (partition, record) in broker.records(&retry.name) {
                    let place = (retry.name.to_string(), partition, record.offset);
                    if self.settled.contains(&place) || self.undecided.contains_key(&place) {
                        continue;
                    }
                    let headers = record.headers.iter();
                    let due = headers
                        .filter(|(name, _)| **name == *DUE.as_bytes())
                        .find_map(|(_, value)| seconds_until(value.as_deref()?));
                    let (topic, handler, offset) = (&retry.name, &subscriber.handler, record.offset);
                    let mut line =
                        format!("{topic}/{partition} offset {offset}  {handler}: its next attempt is due");
                    if let Some(seconds) = due {
                        let _ = write!(line, " in {seconds} s");
                    }
                    lines.push(line);
                }
            }
        }
        lines
    }
}

fn seconds_until(due: &[u8]) -> Option<u64> {
    let due: u64 = std::str::from_utf8(due).ok()?.parse().ok()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Duration::from_millis(due).saturating_sub(now).as_secs())
}
