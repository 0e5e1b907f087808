//! The events of the broker, for an observer: a simulation checks its invariants with them.

use crate::broker::{CommitError, Epoch, PublishError, RevocationId};
use crate::record::Outgoing;

/// Observes everything that happens on a broker, at the moment when it does.
///
/// It usually runs under the lock of the broker, so it must not call the broker: that would deadlock.
pub trait BrokerObserver: Send + Sync {
    /// Handles one event. Keep it short, and never panic.
    fn seen(&self, event: &BrokerEvent<'_>);
}

/// An event on the broker.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum BrokerEvent<'a> {
    /// A member reads a partition from now on.
    Assigned {
        /// The group.
        group: &'a str,
        /// The member's number on this broker.
        member: u64,
        /// The number of this assignment.
        lane: Epoch,
        /// The topic.
        topic: &'a str,
        /// The partition.
        partition: i32,
        /// The next offset at which it begins.
        start: i64,
    },
    /// The coordinator asks a member to release lanes.
    Revoked {
        /// The member's number.
        member: u64,
        /// What its answer names.
        revocation: RevocationId,
        /// The lanes that end.
        lanes: &'a [Epoch],
        /// Whether the membership is lost already, so that another member may own the partitions.
        lost: bool,
    },
    /// A member released lanes. What they stored is committed, unless a fault refuses that.
    Answered {
        /// The member's number.
        member: u64,
        /// The id that its answer carries.
        revocation: RevocationId,
    },
    /// A lane ended: its task is gone, or never began.
    LaneEnded {
        /// The lane.
        lane: Epoch,
    },
    /// The task of a lane died. Its partition opens again, as another lane.
    Reopened {
        /// The lane that died.
        lane: Epoch,
    },
    /// A member reads nothing from a lane's partition until it resumes it.
    Paused {
        /// The lane.
        lane: Epoch,
    },
    /// A member reads a lane's partition again.
    Resumed {
        /// The lane.
        lane: Epoch,
    },
    /// A lane ended because its member seeks: its partition is opened again at this offset, unless it is being given
    /// back.
    Sought {
        /// The lane that ended.
        lane: Epoch,
        /// The next offset of its successor.
        next: i64,
    },
    /// A member crashed: it is gone without having left, and so are its lanes.
    Crashed {
        /// The member's number.
        member: u64,
    },
    /// A member left its group.
    Left {
        /// The member's number.
        member: u64,
    },
    /// The runtime handed an offset to the committer.
    Stored {
        /// The lane.
        lane: Epoch,
        /// The next offset.
        next: i64,
    },
    /// A commit was answered, for one lane.
    Committed {
        /// The lane that stored the offset.
        lane: Epoch,
        /// The next offset.
        next: i64,
        /// Why it was refused; `None` if the broker accepted it.
        refused: Option<&'a CommitError>,
    },
    /// A record was appended to a log.
    Appended {
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// The record.
        record: &'a Outgoing,
    },
    /// The broker refused a record that the app published.
    Refused {
        /// The record.
        record: &'a Outgoing,
        /// The reason.
        error: &'a PublishError,
    },
}
