//! Scripted failures, each used up by being hit.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::broker::{CommitClass, CommitError, PublishError, PublishErrorKind};

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) commits: Option<(CommitClass, u32)>,
    pub(super) offset_fetches: u32,
    pub(super) publishes: u32,
    pub(super) publishes_to: BTreeMap<String, u32>,
    /// Topics that are not made for an app, and why.
    pub(super) refused_topics: BTreeMap<String, String>,
    /// Nothing arrives or leaves before.
    pub(super) offline_until: Option<Instant>,
}

impl Faults {
    pub(super) fn commit(&mut self) -> Option<CommitError> {
        let (class, times) = self.commits.as_mut()?;
        let class = *class;
        *times -= 1;
        if *times == 0 {
            self.commits = None;
        }
        Some(CommitError { class, message: "refused by script".into() })
    }

    pub(super) fn offset_fetch(&mut self) -> bool {
        use_up(&mut self.offset_fetches)
    }

    pub(super) fn publish(&mut self, topic: &str) -> Option<PublishError> {
        let of_topic = self.publishes_to.get_mut(topic).is_some_and(use_up);
        (of_topic || use_up(&mut self.publishes)).then(|| PublishError {
            kind: PublishErrorKind::Retriable,
            topic: topic.to_owned(),
            message: "refused by script".into(),
        })
    }
}

fn use_up(times: &mut u32) -> bool {
    let hit = *times > 0;
    *times = times.saturating_sub(1);
    hit
}
