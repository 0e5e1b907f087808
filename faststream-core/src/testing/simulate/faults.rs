//! The kinds of faults that a simulation injects, and the set that a scenario allows.
//!
//!
//! The amounts (how many commits, how long) are drawn from the seed: see `schedule`.

use std::collections::BTreeSet;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// An instance ends as in a power failure. The factory builds another one, at once or later.
    Crash,
    /// An instance is stopped cleanly. Another one starts, at once or later.
    Restart,
    /// Another instance of the app starts. Up to three run.
    Join,
    /// A member of another process joins or leaves. It owns its share of the partitions, and handles nothing. Up
    /// to two.
    ExternalMember,
    /// Every partition of a group is revoked, and assigned again.
    Rebalance,
    /// The members of a group lose their membership.
    Lost,
    /// A topic at which records arrive gets one more partition, up to six.
    AddPartitions,
    /// One to four commits are refused: as transient, stale or permanent.
    CommitErrors,
    /// One to four commits take up to 8 s, or one is never answered.
    CommitDelays,
    /// Two to eight offset fetches fail.
    OffsetFetchErrors,
    /// One to four publishes are refused. A retry may help.
    PublishErrors,
    /// One to four publishes to a topic of the app are refused for good.
    PublishRefusals,
    /// Publishes are confirmed up to 2 s late.
    PublishDelays,
    /// The broker cannot be reached for up to 8 s.
    Disconnect,
    /// The tasks that read partitions die, one to four times.
    BrokenReads,
    /// The client fails for good: a commit is refused as fatal, and the client is replaced.
    BrokenClient,
    /// Operators pause handlers, groups and partitions of single instances, and resume them. Only if it is asked for.
    Pauses,
    /// Operators move partitions to other positions: records are repeated, and others are skipped, which is no loss then.
    /// Only if it is asked for.
    Seeks,
}

/// The set of faults that a simulation may inject.
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
    /// Returns all faults, except what operators do on purpose: [`Fault::Pauses`] and [`Fault::Seeks`].
    #[must_use]
    pub fn all() -> Self {
        Self(Fault::ALL.into_iter().collect())
    }

    /// Returns no faults: records arrive and time passes, nothing else.
    #[must_use]
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Adds a fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.0.insert(fault);
        self
    }

    /// Removes a fault.
    #[must_use]
    pub fn without(mut self, fault: Fault) -> Self {
        self.0.remove(&fault);
        self
    }

    /// Returns the faults of the set, in a fixed order: a seed draws from it.
    pub(super) fn all_on(&self) -> Vec<Fault> {
        self.0.iter().copied().collect()
    }
}

impl Fault {
    /// All kinds of faults. A new kind changes the draws of every seed.
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
