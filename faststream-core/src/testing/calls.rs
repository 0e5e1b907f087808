//! What handlers did, as a test sees it.

use std::sync::{Mutex, PoisonError};

use crate::app::{CallReport, Observer};
use crate::delivery::Outcome;
use crate::log::print;
use crate::verdict::Verdict;

/// One call of a handler, and what came of it.
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

/// Records every call, and tells failures on standard error, where a failing test shows them.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Vec<TestCall>>);

impl Calls {
    pub(super) fn of(&self, handler: &str) -> Vec<TestCall> {
        self.all().into_iter().filter(|call| call.handler == handler).collect()
    }

    /// The last `most` calls that failed, in order.
    pub(super) fn last_failures(&self, most: usize) -> Vec<TestCall> {
        let all = self.all();
        let failed = all.into_iter().rev().filter(|call| call.error.is_some());
        let mut last: Vec<_> = failed.take(most).collect();
        last.reverse();
        last
    }

    pub(super) fn all(&self) -> Vec<TestCall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let CallReport { handler, topic, partition, offset, attempt, .. } = *report;
        if let Some(error) = &error {
            print!("{handler} failed at {topic}/{partition}, offset {offset}, attempt {attempt}: {error}");
        }
        let (handler, topic) = (handler.to_owned(), topic.to_owned());
        let call = TestCall { handler, topic, partition, offset, attempt, outcome, error };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}
