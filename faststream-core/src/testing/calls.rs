//! The calls of handlers, as a test sees them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::context::{CallReport, Observer};
use crate::log::{count, print};
use crate::result::Outcome;
use crate::result::Verdict;

/// How many ends are kept one by one. Further calls are only counted, so that a test that never ends does not use up
/// the memory before it is stopped.
const KEPT: usize = 1_000_000;

/// One call of a handler, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestCall {
    /// The handler's name.
    pub handler: String,
    /// The record's topic.
    pub topic: String,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The verdict: what the handler returned, or `Nack` for an error, `Reject` for what could not be read.
    pub outcome: Verdict,
    /// Why it failed; `None` if it did not.
    pub error: Option<String>,
}

/// Records every call, and reports failures on standard error, where a failing test shows them.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Ends>);

/// The ends of calls so far.
#[derive(Debug, Default)]
struct Ends {
    /// The ends in order, each with whether the handler ran.
    kept: Vec<(TestCall, bool)>,
    /// How often each handler was called, by topic and partition.
    counts: BTreeMap<(String, String, i32), u64>,
}

/// The calls of all apps of a test, for the message of a hanging test.
pub(super) type Watched = Arc<Mutex<Vec<Weak<Calls>>>>;

thread_local! {
    /// The calls that the watchdog of the test on this thread reports, if there is one.
    static WATCHED: RefCell<Option<Watched>> = const { RefCell::new(None) };
}

/// Returns the calls of apps that are started on this thread from now on.
pub(super) fn watched() -> Watched {
    let watched = Watched::default();
    WATCHED.with(|slot| *slot.borrow_mut() = Some(Arc::clone(&watched)));
    watched
}

/// Returns the handler that was called most often in a test: `again, 81,234 calls at loop/0`.
pub(super) fn most_called(watched: &Watched) -> Option<String> {
    let watched = watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
    watched.iter().filter_map(Weak::upgrade).filter_map(|calls| calls.most()).max().map(|(_, text)| text)
}

impl Calls {
    /// Returns the calls that a hanging test reports.
    pub(super) fn new() -> Arc<Self> {
        let calls = Arc::new(Self::default());
        WATCHED.with(|slot| {
            if let Some(watched) = &*slot.borrow() {
                watched.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&calls));
            }
        });
        calls
    }

    /// Returns the calls of a handler.
    pub(super) fn of(&self, handler: &str) -> Vec<TestCall> {
        self.with(handler, true)
    }

    /// Returns the records that a handler was not called for, because an argument could not be read.
    pub(super) fn rejected(&self, handler: &str) -> Vec<TestCall> {
        self.with(handler, false)
    }

    /// Returns the ends of a handler: those of its calls, or those of records that it was not `called` for.
    fn with(&self, handler: &str, called: bool) -> Vec<TestCall> {
        let ends = self.lock();
        let found = ends.kept.iter().filter(|(call, ran)| call.handler == handler && *ran == called);
        found.map(|(call, _)| call.clone()).collect()
    }

    /// Returns the last `most` ends that are failures, in order.
    pub(super) fn last_failures(&self, most: usize) -> Vec<TestCall> {
        let ends = self.lock();
        let failed = ends.kept.iter().rev().filter(|(call, _)| call.error.is_some());
        let mut last: Vec<_> = failed.take(most).map(|(call, _)| call.clone()).collect();
        last.reverse();
        last
    }

    /// Returns how many ends there were.
    pub(super) fn len(&self) -> u64 {
        self.lock().counts.values().sum()
    }

    /// Returns the handler that was called most often, and how often.
    pub(super) fn most(&self) -> Option<(u64, String)> {
        let ends = self.lock();
        let ((handler, topic, partition), most) = ends.counts.iter().max_by_key(|(_, number)| **number)?;
        let calls = if *most == 1 { "call" } else { "calls" };
        Some((*most, format!("{handler}, {} {calls} at {topic}/{partition}", count(*most))))
    }

    /// Takes the lock. A panic of an earlier holder is ignored.
    fn lock(&self) -> std::sync::MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Calls {
    fn called(&self, report: &CallReport<'_>) {
        let reject = |reason: &str| Verdict::reject(reason.to_owned());
        let (outcome, error) = match report.outcome {
            Outcome::Verdict(verdict) => (verdict.clone(), None),
            Outcome::Publish(_) => (Verdict::Ack, None),
            Outcome::Failed(error) => (Verdict::nack(), Some(format!("{}: {}", error.kind, error.message))),
            Outcome::NotEncodable(error) => (reject(&error.message), Some(error.message.clone())),
            Outcome::Rejected(rejection) => {
                (reject(rejection.message()), Some(rejection.message().to_owned()))
            }
        };
        let ran = !matches!(report.outcome, Outcome::Rejected(_));
        let CallReport { handler, topic, partition, offset, attempt, .. } = *report;
        match &error {
            Some(error) if ran => {
                print!(
                    "{handler} failed at {topic}/{partition}, offset {offset}, attempt {attempt}: {error}"
                );
            }
            Some(error) => {
                print!("{handler} was not called for {topic}/{partition}, offset {offset}: {error}");
            }
            None => {}
        }
        let (handler, topic) = (handler.to_owned(), topic.to_owned());
        let mut ends = self.lock();
        *ends.counts.entry((handler.clone(), topic.clone(), partition)).or_default() += 1;
        if ends.kept.len() < KEPT {
            ends.kept.push((TestCall { handler, topic, partition, offset, attempt, outcome, error }, ran));
        }
    }
}
