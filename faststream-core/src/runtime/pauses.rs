//! What is paused on request of the app.
//!
//! Each pause has a target and stands until the same target is resumed, so that nobody ends a pause that somebody else
//! requested. The list belongs to the app's membership of the group, not to an assignment or a client: a partition that
//! comes back after a rebalance, or is opened by a new client, is still paused, and so is one that is assigned for the
//! first time to a paused handler. It ends with the process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::TopicPartition;

/// The target of a pause: one handler or all of a group, in one partition or in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PauseTarget {
    /// The handler; `None` for all handlers of the group.
    pub(crate) handler: Option<Arc<str>>,
    /// The partition; `None` for all partitions, also those that are assigned later.
    pub(crate) tp: Option<TopicPartition>,
}

impl PauseTarget {
    /// Returns whether it includes the lane of this handler and partition.
    pub(crate) fn includes(&self, handler: &str, tp: &TopicPartition) -> bool {
        self.handler.as_deref().is_none_or(|name| name == handler)
            && self.tp.as_ref().is_none_or(|own| own == tp)
    }
}

/// The pauses of a membership, shared with the members of its clients, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pauses(Arc<Mutex<BTreeSet<PauseTarget>>>);

impl Pauses {
    pub(crate) fn add(&self, target: PauseTarget) {
        self.lock().insert(target);
    }

    pub(crate) fn remove(&self, target: &PauseTarget) {
        self.lock().remove(target);
    }

    /// Returns whether one of them stops the lane of this handler and partition.
    pub(super) fn stop(&self, handler: &str, tp: &TopicPartition) -> bool {
        self.lock().iter().any(|target| target.includes(handler, tp))
    }

    pub(crate) fn all(&self) -> Vec<PauseTarget> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<PauseTarget>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(handler: Option<&str>, partition: Option<i32>) -> PauseTarget {
        PauseTarget {
            handler: handler.map(Into::into),
            tp: partition.map(|partition| TopicPartition::new("orders", partition)),
        }
    }

    #[test]
    fn a_pause_stands_until_its_own_target_is_resumed() {
        let (pauses, tp) = (Pauses::default(), TopicPartition::new("orders", 1));
        let targets = [
            target(None, None),
            target(Some("bill"), None),
            target(Some("bill"), Some(1)),
            target(None, Some(1)),
        ];
        for paused in &targets {
            pauses.add(paused.clone());
        }
        for (resumed, paused) in targets.iter().enumerate() {
            assert!(pauses.stop("bill", &tp), "{} of them are left", targets.len() - resumed);
            pauses.remove(paused);
        }
        assert!(!pauses.stop("bill", &tp) && pauses.all().is_empty());
    }

    #[test]
    fn a_pause_stops_only_what_its_target_includes() {
        let pauses = Pauses::default();
        pauses.add(target(Some("bill"), Some(1)));
        pauses.add(target(Some("ship"), None));
        let stops = |handler, partition| pauses.stop(handler, &TopicPartition::new("orders", partition));
        assert!(stops("bill", 1) && stops("ship", 0) && stops("ship", 7));
        assert!(!stops("bill", 0) && !stops("pack", 1));
    }
}
