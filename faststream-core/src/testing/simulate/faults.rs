//! Which faults a simulation injects.

use std::collections::BTreeSet;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// An instance ends as by a power failure, and is built again by the factory, now or later.
    Crash,
    /// An instance is stopped cleanly; another starts later.
    Restart,
    /// Another instance of the app joins; there are up to three.
    Join,
    /// A member of another process joins and leaves: it takes its share of the partitions.
    ExternalMember,
    /// Every partition changes hands.
    Rebalance,
    /// The members lose their membership.
    Lost,
    /// A topic that records come to gets one more partition, up to six.
    AddPartitions,
    /// Commits are refused: transient, stale, permanent.
    CommitErrors,
    /// Commits take long, or are never answered.
    CommitDelays,
    /// Offset fetches fail.
    OffsetFetchErrors,
    /// Publishes are refused, and may be tried again.
    PublishErrors,
    /// Publishes are refused for good.
    PublishRefusals,
    /// Publishes are confirmed late.
    PublishDelays,
    /// The broker cannot be reached.
    Disconnect,
    /// The task that reads a partition dies.
    BrokenReads,
    /// The client is beyond repair: a commit is refused as fatal.
    BrokenClient,
}

/// Which faults a simulation injects.
///
/// ```
/// use faststream::testing::{Fault, Faults};
///
/// let all_but_one = Faults::all().without(Fault::BrokenClient);
/// let only_crashes = Faults::none().with(Fault::Crash);
/// # let _ = (all_but_one, only_crashes);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(BTreeSet<Fault>);

impl Faults {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(Fault::ALL.into_iter().collect())
    }

    /// None: only time passes, and records come.
    #[must_use]
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// These as well.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.0.insert(fault);
        self
    }

    /// All but this one.
    #[must_use]
    pub fn without(mut self, fault: Fault) -> Self {
        self.0.remove(&fault);
        self
    }

    pub(super) fn all_on(&self) -> Vec<Fault> {
        self.0.iter().copied().collect()
    }
}

impl Fault {
    const ALL: [Self; 16] = [
        Self::Crash,
        Self::Restart,
        Self::Join,
        Self::ExternalMember,
        Self::Rebalance,
        Self::Lost,
        Self::AddPartitions,
        Self::CommitErrors,
        Self::CommitDelays,
        Self::OffsetFetchErrors,
        Self::PublishErrors,
        Self::PublishRefusals,
        Self::PublishDelays,
        Self::Disconnect,
        Self::BrokenReads,
        Self::BrokenClient,
    ];
}

impl Default for Faults {
    fn default() -> Self {
        Self::all()
    }
}
