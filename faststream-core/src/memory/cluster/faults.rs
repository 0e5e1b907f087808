//! Scripted failures, each used up by being hit.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::{CommitClass, CommitError, PublishError, PublishErrorKind};

#[derive(Debug, Default)]
pub(in crate::memory) struct InjectedFaults {
    /// In the order in which they were asked for.
    pub(in crate::memory) commits: VecDeque<(CommitFault, u32)>,
    pub(in crate::memory) offset_fetches: u32,
    pub(in crate::memory) publishes: u32,
    pub(in crate::memory) publishes_to: BTreeMap<String, u32>,
    /// Topics that are not made for an app, and why.
    pub(in crate::memory) refused_topics: BTreeMap<String, String>,
    /// Refused until the cluster allows it again.
    pub(in crate::memory) denials_to: BTreeMap<String, u32>,
    /// Refused for good.
    pub(in crate::memory) refusals_to: BTreeMap<String, u32>,
    /// Nothing that is published arrives before.
    pub(in crate::memory) publishes_after: Option<Instant>,
    /// Reads that panic in the lane's task.
    pub(in crate::memory) reads: u32,
    /// Nothing arrives or leaves before.
    pub(in crate::memory) offline_until: Option<Instant>,
}

/// What becomes of a commit instead of being accepted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::memory) enum CommitFault {
    Refused(CommitClass),
    Delayed(Duration),
    /// It never arrives, and no answer comes.
    Lost,
}

impl InjectedFaults {
    pub(in crate::memory) fn commit(&mut self) -> Option<CommitFault> {
        let (fault, times) = self.commits.front_mut()?;
        let fault = *fault;
        *times -= 1;
        if *times == 0 {
            self.commits.pop_front();
        }
        Some(fault)
    }

    /// The next `times` commits; none takes back what was asked for before.
    pub(in crate::memory) fn fail_commits(&mut self, fault: CommitFault, times: u32) {
        if times == 0 {
            self.commits.clear();
        } else {
            self.commits.push_back((fault, times));
        }
    }

    pub(in crate::memory) fn offset_fetch(&mut self) -> bool {
        use_up(&mut self.offset_fetches)
    }

    pub(in crate::memory) fn read(&mut self) -> bool {
        use_up(&mut self.reads)
    }

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
    /// As the client reports it.
    pub(in crate::memory) fn error(class: CommitClass) -> CommitError {
        CommitError { class, message: "refused by script".into() }
    }
}

fn use_up(times: &mut u32) -> bool {
    let hit = *times > 0;
    *times = times.saturating_sub(1);
    hit
}
