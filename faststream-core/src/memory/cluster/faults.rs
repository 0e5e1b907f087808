//! Injected faults. Each is a count that is used up as requests hit it, or a time until which it lasts.
//!
//! Pure bookkeeping: the code that handles a request asks here first. Nothing depends on chance, so a simulation
//! draws its random numbers before it injects a fault.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::{CommitClass, CommitError, PublishError, PublishErrorKind};

/// The faults that are still to be hit.
#[derive(Debug, Default)]
pub(in crate::memory) struct InjectedFaults {
    /// Faults of commits with the number of commits that each applies to, in the order in which they were
    /// injected. No count is 0.
    pub(in crate::memory) commits: VecDeque<(CommitFault, u32)>,
    /// How many offset fetches are still to fail.
    pub(in crate::memory) offset_fetches: u32,
    /// How many publishes of the app are still to fail, whatever their topic. A retry may help.
    pub(in crate::memory) publishes: u32,
    /// The same for one topic.
    pub(in crate::memory) publishes_to: BTreeMap<String, u32>,
    /// Topics that are not created for an app, with the reason.
    pub(in crate::memory) refused_topics: BTreeMap<String, String>,
    /// How many publishes to a topic are refused as without permission: until the cluster allows them again.
    pub(in crate::memory) denials_to: BTreeMap<String, u32>,
    /// How many publishes to a topic are refused for good, as a record that is too large.
    pub(in crate::memory) refusals_to: BTreeMap<String, u32>,
    /// Until when published records are delayed.
    pub(in crate::memory) publishes_after: Option<Instant>,
    /// How many reads are still to panic in the task of a lane.
    pub(in crate::memory) reads: u32,
    /// Until when the cluster is disconnected; `None` once the agenda has reconnected it.
    pub(in crate::memory) offline_until: Option<Instant>,
}

/// The fault of one commit, which is otherwise accepted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::memory) enum CommitFault {
    /// The broker refuses it, with this meaning.
    Refused(CommitClass),
    /// It arrives after this time, and ownership is checked then.
    Delayed(Duration),
    /// It never arrives, and no answer comes.
    Lost,
}

impl InjectedFaults {
    /// Returns the fault of the next commit, and counts it.
    pub(in crate::memory) fn commit(&mut self) -> Option<CommitFault> {
        let (fault, times) = self.commits.front_mut()?;
        let fault = *fault;
        *times -= 1;
        if *times == 0 {
            self.commits.pop_front();
        }
        Some(fault)
    }

    /// Adds a fault of the next `times` commits, behind the others. 0 removes every fault of commits.
    pub(in crate::memory) fn fail_commits(&mut self, fault: CommitFault, times: u32) {
        if times == 0 {
            self.commits.clear();
        } else {
            self.commits.push_back((fault, times));
        }
    }

    /// Returns whether the next offset fetch fails, and counts it.
    pub(in crate::memory) fn offset_fetch(&mut self) -> bool {
        use_up(&mut self.offset_fetches)
    }

    /// Returns whether the next read panics, and counts it.
    pub(in crate::memory) fn read(&mut self) -> bool {
        use_up(&mut self.reads)
    }

    /// Returns the error of the next publish to this topic, and counts it. The gravest fault applies first:
    /// refused for good, denied, then retriable.
    pub(in crate::memory) fn publish(&mut self, topic: &str) -> Option<PublishError> {
        let hit = |faults: &mut BTreeMap<String, u32>| faults.get_mut(topic).is_some_and(use_up);
        let kind = if hit(&mut self.refusals_to) {
            PublishErrorKind::Permanent
        } else if hit(&mut self.denials_to) {
            PublishErrorKind::Denied
        } else if hit(&mut self.publishes_to) || use_up(&mut self.publishes) {
            PublishErrorKind::Retriable
        } else {
            return None;
        };
        Some(PublishError { kind, topic: topic.to_owned(), message: "refused by script".into() })
    }
}

impl CommitFault {
    /// Returns the error that the client reports for a refused commit.
    pub(in crate::memory) fn error(class: CommitClass) -> CommitError {
        CommitError { class, message: "refused by script".into() }
    }
}

/// Counts one hit; false if none is left.
fn use_up(times: &mut u32) -> bool {
    let hit = *times > 0;
    *times = times.saturating_sub(1);
    hit
}
