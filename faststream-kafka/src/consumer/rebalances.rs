//! Rebalances that wait for their answer, strictly in the order of the group's requests.
//!
//! librdkafka asks in a callback ("these partitions are assigned", "these are revoked"), pauses every partition of the
//! client, and waits for an assign or unassign call. The callback only records the question; the control thread answers
//! it:
//!
//! 1. [`Rebalances::assign`] and [`Rebalances::revoke`] append a question. Two kinds of revocation are our own: a log
//!    was truncated, or a topic was recreated. librdkafka does not wait for their answer, but a lane ends in the same
//!    way, so they share the queue and its order.
//! 2. [`Rebalances::next`] checks the front of the queue and returns the next [`Step`], or `None` if the front has to
//!    wait. The control loop applies the step and calls it again. This type calls nothing: it knows neither the client
//!    nor the member, and no step is applied inside another.
//! 3. *An assignment*: [`Step::FetchOffsets`] starts the fetch of the committed offsets. The front waits until all of
//!    them are known or the fetch is held up (a second at most), then [`Step::Assign`] answers. Partitions whose
//!    offsets are unknown by then are assigned without a lane, and begin later.
//! 4. *A revocation*: [`Step::AskMember`] lets the member drain the lanes. The front waits until the member answers
//!    with the revocation's id ([`Rebalances::mark_answered`]), which may happen while the step is applied. A
//!    revocation that moves partitions to another member then waits up to 100 ms more for the result of a commit in
//!    flight, and [`Step::Unassign`] answers.
//!
//! Why strictly in order: librdkafka takes the next assign or unassign call, whatever its partitions, for the answer to
//! its oldest question. If a partition whose offset has just arrived were begun while a revocation waits, librdkafka
//! would give the revoked partitions away while their calls still run.
//!
//! Why a revocation waits for a commit: librdkafka commits the stored offsets at once when partitions are released. If
//! a commit in flight is not answered, librdkafka resends it after the newer one, and sets the group back. A lost
//! partition is not committed, so it does not wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use faststream_core::TopicPartition;
use faststream_core::broker::RevocationId;

use super::offset_fetch::{OffsetFetch, Starts};

/// How long an answer waits for the result of a commit, because all partitions of the client are paused meanwhile.
/// On the mock cluster a commit takes 1.0 to 1.6 ms, so the limit is reached only if the broker has a problem.
const ANSWERED: Duration = Duration::from_millis(100);

/// The recorded rebalances without an answer.
#[derive(Default)]
pub(super) struct Rebalances {
    /// The questions, the oldest first. Only the front makes progress.
    queue: VecDeque<Rebalance>,
    /// How many revocations the member was asked about. Numbers them, so that an answer matches one.
    revocations: u64,
}

/// One question of the group, or a revocation of our own, with its progress.
enum Rebalance {
    /// Partitions to begin, and how far their offsets are.
    Assign { partitions: Vec<TopicPartition>, offsets: Offsets },
    /// Partitions to end, and how far the member is with their lanes.
    Revoke { partitions: Vec<TopicPartition>, kind: Revoke, drain: Drain },
}

/// The progress of an assignment's offsets.
enum Offsets {
    /// Not requested yet.
    Unasked,
    /// The control loop begins a fetch.
    Asked,
    /// The fetch runs.
    Fetching {
        /// Finds the offsets that are not in `known`.
        fetch: OffsetFetch,
        /// The offsets that arrived so far. Their partitions begin with the answer.
        known: Starts,
    },
}

/// The progress of the member with the lanes of a revocation.
#[derive(Clone, Copy)]
enum Drain {
    /// The member does not know of it.
    Unasked,
    /// The member drains, and answers with this id.
    Asked(RevocationId),
    /// The member has answered, at this time.
    Answered(Instant),
}

/// Why lanes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revoke {
    /// Another member gets the partitions, after the answer: calls are drained, and offsets are committed.
    Moved,
    /// Another member may have the partitions already: calls are drained for 0.2 s, and no offset is committed.
    Lost,
    /// The partition stays: its log began again, at this offset. Not requested by the group.
    Truncated(i64),
    /// The partition stays: the topic was recreated, and is read from its beginning. Not requested by the group.
    Remade,
}

impl Revoke {
    /// Returns where a partition that stays begins again; `None` if the group takes the partition back.
    pub(super) fn restart(self) -> Option<i64> {
        match self {
            Self::Truncated(start) => Some(start),
            Self::Remade => Some(0),
            Self::Moved | Self::Lost => None,
        }
    }
}

/// The next step of the control loop.
pub(super) enum Step {
    /// Start to fetch the committed offsets of these partitions, and pass the fetch to [`Rebalances::set_fetch`].
    FetchOffsets(Vec<TopicPartition>),
    /// Answer an assignment. `rest` fetches the offsets of partitions that are not among `starts`.
    Assign { partitions: Vec<TopicPartition>, starts: Starts, rest: Option<OffsetFetch> },
    /// Let the member drain these lanes. It answers with the id.
    AskMember { id: RevocationId, partitions: Vec<TopicPartition>, kind: Revoke },
    /// End the lanes, and answer the revocation if the group requested it.
    Unassign { partitions: Vec<TopicPartition>, kind: Revoke },
}

/// The answers that are still open when the group is left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LastAnswer {
    /// An assignment that is refused, by assigning no partition.
    AssignNothing,
    /// A revocation of these partitions.
    Unassign(Vec<TopicPartition>),
}

impl Rebalances {
    /// Appends an assignment of these partitions.
    pub(super) fn assign(&mut self, partitions: Vec<TopicPartition>) {
        self.queue.push_back(Rebalance::Assign { partitions, offsets: Offsets::Unasked });
    }

    /// Appends a revocation: the lanes of these partitions end.
    pub(super) fn revoke(&mut self, partitions: Vec<TopicPartition>, kind: Revoke) {
        self.queue.push_back(Rebalance::Revoke { partitions, kind, drain: Drain::Unasked });
    }

    /// Returns whether no rebalance waits for its answer.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Sets the fetch of the assignment at the front, as `Step::FetchOffsets` requested. No other step can have
    /// come in between.
    pub(super) fn set_fetch(&mut self, begun: OffsetFetch) {
        if let Some(Rebalance::Assign { offsets, .. }) = self.queue.front_mut() {
            *offsets = Offsets::Fetching { fetch: begun, known: Starts::new() };
        }
    }

    /// Records that the member has drained the lanes of this revocation. Unknown ids, and second answers, are
    /// ignored.
    pub(super) fn mark_answered(&mut self, id: RevocationId) {
        for rebalance in &mut self.queue {
            if let Rebalance::Revoke { drain, .. } = rebalance
                && matches!(drain, Drain::Asked(asked) if *asked == id)
            {
                *drain = Drain::Answered(Instant::now());
            }
        }
    }

    /// Returns whether a commit may be sent. While rebalances wait, only one is: a revocation that moves
    /// partitions is being drained, and a call waits for its commit (`is_wanted`). Otherwise librdkafka commits
    /// the stored offsets with the answer, and a second commit in flight could arrive after it.
    pub(super) fn may_commit(&self, is_wanted: bool) -> bool {
        match self.queue.front() {
            None => true,
            Some(Rebalance::Revoke { kind: Revoke::Moved, drain: Drain::Asked(_), .. }) => is_wanted,
            Some(_) => false,
        }
    }

    /// Returns the next step; `None` while the front has to wait. `is_committing` is whether a commit has no result
    /// yet.
    pub(super) fn next(&mut self, is_committing: bool) -> Option<Step> {
        match self.queue.front_mut()? {
            Rebalance::Assign { partitions, offsets } => match offsets {
                _ if partitions.is_empty() => {}
                Offsets::Unasked => {
                    *offsets = Offsets::Asked;
                    return Some(Step::FetchOffsets(partitions.clone()));
                }
                Offsets::Asked => return None,
                Offsets::Fetching { fetch, known } => {
                    known.extend(fetch.known_now());
                    if !fetch.is_done() && !fetch.is_held_up() {
                        return None;
                    }
                }
            },
            Rebalance::Revoke { partitions, kind, drain } => match drain {
                Drain::Unasked => {
                    self.revocations += 1;
                    let id = RevocationId(self.revocations);
                    *drain = Drain::Asked(id);
                    return Some(Step::AskMember { id, partitions: partitions.clone(), kind: *kind });
                }
                Drain::Asked(_) => return None,
                Drain::Answered(since) => {
                    let awaits_commit = *kind == Revoke::Moved && is_committing;
                    if awaits_commit && since.elapsed() < ANSWERED {
                        return None;
                    }
                }
            },
        }
        self.queue.pop_front().map(Rebalance::into_answer)
    }

    /// Drops all of them, and returns the answers that the client needs, in order. Without them the group is never
    /// left.
    pub(super) fn abandon(&mut self) -> Vec<LastAnswer> {
        let answer = |rebalance| match rebalance {
            Rebalance::Assign { .. } => Some(LastAnswer::AssignNothing),
            Rebalance::Revoke { partitions, kind: Revoke::Moved | Revoke::Lost, .. } => {
                Some(LastAnswer::Unassign(partitions))
            }
            // librdkafka did not request it.
            Rebalance::Revoke { kind: Revoke::Truncated(_) | Revoke::Remade, .. } => None,
        };
        std::mem::take(&mut self.queue).into_iter().filter_map(answer).collect()
    }
}

impl Rebalance {
    /// Returns the step that ends it. A fetch that is not done goes along, for the partitions that begin later.
    fn into_answer(self) -> Step {
        match self {
            Self::Assign { partitions, offsets: Offsets::Fetching { fetch, known } } => {
                let rest = Some(fetch).filter(|fetch| !fetch.is_done());
                Step::Assign { partitions, starts: known, rest }
            }
            Self::Assign { partitions, .. } => Step::Assign { partitions, starts: Starts::new(), rest: None },
            Self::Revoke { partitions, kind, .. } => Step::Unassign { partitions, kind },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn partitions() -> Vec<TopicPartition> {
        vec![TopicPartition::new("orders", 0), TopicPartition::new("orders", 1)]
    }

    /// Returns the id with which the member answers.
    fn asked(step: Option<Step>) -> RevocationId {
        let Some(Step::AskMember { id, partitions: asked, .. }) = step else {
            panic!("the member is asked first")
        };
        assert_eq!(asked, partitions());
        id
    }

    fn is_unassign(step: Option<Step>) -> bool {
        matches!(step, Some(Step::Unassign { partitions: ended, .. }) if ended == partitions())
    }

    #[test]
    fn a_revocation_is_answered_once_the_member_has_drained_its_lanes() {
        let mut rebalances = Rebalances::default();
        rebalances.revoke(partitions(), Revoke::Moved);
        let id = asked(rebalances.next(false));
        assert!(rebalances.next(false).is_none(), "the member is asked once, and waited for");
        rebalances.mark_answered(RevocationId(id.0 + 1));
        assert!(rebalances.next(false).is_none(), "that was another one");
        rebalances.mark_answered(id);
        assert!(is_unassign(rebalances.next(false)));
        assert!(rebalances.is_empty() && rebalances.next(false).is_none());
    }

    #[test]
    fn what_is_asked_later_waits_for_what_was_asked_before() {
        let mut rebalances = Rebalances::default();
        rebalances.revoke(partitions(), Revoke::Moved);
        rebalances.assign(Vec::new());
        rebalances.revoke(partitions(), Revoke::Lost);
        let first = asked(rebalances.next(false));
        assert!(rebalances.next(false).is_none());
        rebalances.mark_answered(first);
        assert!(is_unassign(rebalances.next(false)));
        let answer = rebalances.next(false);
        assert!(matches!(answer, Some(Step::Assign { partitions, rest: None, .. }) if partitions.is_empty()));
        assert_ne!(asked(rebalances.next(false)), first);
    }

    #[test]
    fn partitions_that_move_wait_a_moment_for_the_result_of_a_commit_and_lost_ones_do_not() {
        for (kind, waits) in [(Revoke::Moved, true), (Revoke::Lost, false), (Revoke::Truncated(3), false)] {
            let mut rebalances = Rebalances::default();
            rebalances.revoke(partitions(), kind);
            let id = asked(rebalances.next(true));
            rebalances.mark_answered(id);
            let at_once = rebalances.next(true);
            assert_eq!(at_once.is_none(), waits, "{kind:?}");
            if waits {
                thread::sleep(ANSWERED);
                assert!(
                    is_unassign(rebalances.next(true)),
                    "a commit without a result holds up no rebalance"
                );
            }
        }
    }

    #[test]
    fn a_commit_is_sent_while_the_member_drains_only_if_a_call_waits_for_it() {
        let mut rebalances = Rebalances::default();
        assert!(rebalances.may_commit(false));
        rebalances.revoke(partitions(), Revoke::Moved);
        assert!(!rebalances.may_commit(true), "nobody drains yet");
        let id = asked(rebalances.next(false));
        assert!(rebalances.may_commit(true) && !rebalances.may_commit(false));
        rebalances.mark_answered(id);
        assert!(!rebalances.may_commit(true), "the client commits what is given back");
        let mut lost = Rebalances::default();
        lost.revoke(partitions(), Revoke::Lost);
        asked(lost.next(false));
        assert!(!lost.may_commit(true));
    }

    #[test]
    fn only_what_the_group_asked_for_is_answered_when_it_is_left() {
        let mut rebalances = Rebalances::default();
        rebalances.assign(partitions());
        rebalances.revoke(partitions(), Revoke::Truncated(0));
        rebalances.revoke(partitions(), Revoke::Remade);
        rebalances.revoke(partitions(), Revoke::Moved);
        let left = [LastAnswer::AssignNothing, LastAnswer::Unassign(partitions())];
        assert_eq!(rebalances.abandon(), left);
        assert!(rebalances.is_empty());
    }
}
