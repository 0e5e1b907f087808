//! What happens on the broker, for an observer: the simulation checks its promises by it.

use crate::broker::{CommitError, Epoch, PublishError, RevocationId};
use crate::record::Outgoing;

/// Observes everything that happens on a broker, at the moment when it does.
///
/// It is called in the middle of it, so it must not call the broker.
pub trait BrokerObserver: Send + Sync {
    /// Something happened.
    fn seen(&self, event: &BrokerEvent<'_>);
}

/// Something that happened on the broker.
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
    /// A member is asked to release lanes.
    Revoked {
        /// The member's number.
        member: u64,
        /// What its answer names.
        revocation: RevocationId,
        /// The lanes that end.
        lanes: &'a [Epoch],
        /// The membership is gone already.
        lost: bool,
    },
    /// A member released lanes. What they stored is committed, unless a fault refuses that.
    Answered {
        /// The member's number.
        member: u64,
        /// The revocation that it answers.
        revocation: RevocationId,
    },
    /// A lane is over: its task is gone, or it was never begun.
    LaneEnded {
        /// The lane.
        lane: Epoch,
    },
    /// The task of a lane died: its partition is opened again.
    Reopened {
        /// The lane that died.
        lane: Epoch,
    },
    /// A member is gone without having left, its lanes with it.
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
    /// A commit was answered for a lane.
    Committed {
        /// The lane that stored the offset.
        lane: Epoch,
        /// The next offset.
        next: i64,
        /// Why it was refused; `None` if the broker has it.
        refused: Option<&'a CommitError>,
    },
    /// A record is in a log.
    Appended {
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// The record.
        record: &'a Outgoing,
    },
    /// A record that the app published was refused.
    Refused {
        /// The record.
        record: &'a Outgoing,
        /// Why.
        error: &'a PublishError,
    },
}
