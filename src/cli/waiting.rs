//! What `dev` waits for: running calls, records without an outcome, and retries that are not due.
//!
//! ```text
//! waiting: bill runs, at offset 0
//! waiting: orders/0 offset 1  bill: its next attempt comes after a pause: attempt 2 failed: no such item
//! waiting: orders-billing-retry-10s/0 offset 0  bill: its next attempt is due in 7 s
//! ```
//!
//! The observer reports each call to it, and retry topics are read from the in-memory broker. It decides nothing;
//! it only explains a wait to the user, for example a handler that never returns.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use faststream_core::app::Plan;
use faststream_core::broker::Epoch;
use faststream_core::context::{CallBegin, CallReport};
use faststream_core::memory::MemoryBroker;
use faststream_core::result::{Disposition, Outcome};
use faststream_core::wire::retry::DUE;

/// How many records are listed; the others are counted.
const NAMED: usize = 5;

/// A record: topic, partition, offset.
type Place = (String, i32, i64);

/// What is known of records that are not finished. Written by the observer, read when a wait takes long.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Running calls, by assignment and offset, with the names of their handlers.
    running: BTreeMap<(Epoch, i64), String>,
    /// Records whose call has ended without an outcome, with the handler and the reason: a retry, a copy that is
    /// not confirmed, an `Ack` that is not settled.
    undecided: BTreeMap<Place, (String, String)>,
    /// Records with an outcome. Kept, because an outcome may arrive before its call ends.
    settled: BTreeSet<Place>,
}

impl Waiting {
    /// Records that a call begins.
    pub(super) fn begins(&mut self, begin: &CallBegin<'_>) {
        self.running.insert((begin.lane, begin.offset), begin.handler.to_owned());
    }

    /// Records that a call has ended. Its record stays here until it has an outcome.
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

    /// Records an outcome. A record that only waits for its next attempt has none.
    pub(super) fn settled(&mut self, topic: &str, partition: i32, offset: i64, disposition: Disposition) {
        // Another attempt follows.
        if disposition != Disposition::Waiting {
            let place = (topic.to_owned(), partition, offset);
            self.undecided.remove(&place);
            self.settled.insert(place);
        }
    }

    /// Returns a line for each record that is waited for, at most five and their number beyond. A record has one
    /// line, from the first source that knows it.
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

    /// Returns lines about the records in retry topics whose time has not come, with the seconds until then.
    fn not_due(&self, plan: &Plan, broker: &MemoryBroker) -> Vec<String> {
        let mut lines = Vec::new();
        for subscriber in plan.subscribers() {
            for retry in subscriber.spec.retry_topics.iter() {
                for (partition, record) in broker.records(&retry.name) {
                    let place = (retry.name.to_string(), partition, record.offset);
                    if self.settled.contains(&place) || self.undecided.contains_key(&place) {
                        continue;
                    }
                    let headers = record.headers.iter();
                    let due = headers
                        .filter(|(name, _)| **name == *DUE.as_bytes())
                        .find_map(|(_, value)| seconds_until(value.as_deref()?));
                    let (topic, handler, offset) = (&retry.name, &subscriber.handler.name, record.offset);
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

/// Returns the whole seconds until a due time in Unix milliseconds, as the header has it; `None` if it is no
/// number.
fn seconds_until(due: &[u8]) -> Option<u64> {
    let due: u64 = std::str::from_utf8(due).ok()?.parse().ok()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Duration::from_millis(due).saturating_sub(now).as_secs())
}
