//! What a backend tells a member of a group, and what the member asks of the backend.

use std::fmt;
use std::time::Duration;

use super::Lane;

/// One lane: a partition during one assignment.
///
/// Unique in the process over all partitions and groups, so it names a lane alone. Only ever compared for equality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The next number of this process.
    pub fn next() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// One revocation that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationId(pub u64);

/// The lane is over: the offset was not taken. Not an error to retry: somebody else owns the partition now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the partition was given to another assignment; this has no effect")]
pub struct Stale;

/// What happened to the membership, in the order in which it happened.
pub enum Event {
    /// Lanes to read, opened at the group's committed offsets (or by the start policy). May be empty: the member owns
    /// nothing yet, but it has an assignment.
    Assigned(Vec<Box<dyn Lane>>),
    /// To be answered by [`Command::Answer`]; until then nobody else gets the partitions, unless `lost`: then
    /// somebody else may have them already.
    Revoked {
        /// What the answer names.
        id: RevocationId,
        /// The lanes that end.
        lanes: Vec<Epoch>,
        /// The membership is gone already.
        lost: bool,
    },
    /// The result of one commit, lane by lane.
    Committed(Vec<CommitReport>),
    /// Records of a lane were deleted by the broker before they were read: it keeps them for too short a time.
    Expired {
        /// The lane that would have read them.
        lane: Epoch,
        /// The first of their offsets.
        from: i64,
        /// The first offset that is there.
        to: i64,
    },
    /// The client is beyond repair: every lane ends now, nothing they do from now on counts. `Closed` follows by the
    /// backend's own doing, without `Command::Close`.
    Fatal {
        /// What the client said, with its code.
        message: String,
        /// What could help.
        remedy: Remedy,
    },
    /// The membership is over; the backend forgets the member after this.
    Closed,
}

/// What could help when a client is beyond repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// A new client, after a pause that grows while new clients fail.
    NewClient,
    /// Somebody has to change something outside of this program (a permission, a place in the group), and may at any
    /// moment: a new client tries every few seconds.
    Somebody,
    /// Time: the place of this process in the group is still taken, perhaps by itself before it crashed. A member that
    /// never had an assignment tries every second, for `longest` at most; else as `Nothing`.
    Time {
        /// When it is taken by somebody else for sure.
        longest: Duration,
    },
    /// A new client would fail in the same way (another owner has our static id): do not restart.
    Nothing,
}

/// What the member asks of its backend, to be carried out in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Give the lanes of this revocation back. First of all, their `store` is fenced; what they stored before is
    /// committed. The answer never waits for a lane's task.
    Answer(RevocationId),
    /// Commit what is stored, without waiting for the timer. One commit of a member is in flight at a time; asked again
    /// meanwhile, one more follows, however often. A revocation that waits for its answer delays nothing: calls may be
    /// waiting for this commit. What the backend cannot commit now (the broker is away, the client is joining) it commits by
    /// its timer at the latest.
    CommitNow,
    /// End this lane and open its partition again, as a new lane, at the committed or stored offset, whichever is
    /// later: the lane's task died.
    Reopen(Epoch),
    /// Fence all lanes, commit what is stored, leave the group, end with `Event::Closed`. Answers every revocation
    /// that is still open or comes from now on by itself, and assigns nothing more.
    Close,
}

/// How a commit went for one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitReport {
    /// The lane that stored the offset.
    pub lane: Epoch,
    /// The next offset that was to be committed.
    pub next: i64,
    /// Whether the broker has it.
    pub result: Result<(), CommitError>,
}

/// Why a commit failed, as the backend classified it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommitError {
    /// What to do about it.
    pub class: CommitClass,
    /// The code's name and text.
    pub message: String,
}

/// What a failed commit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitClass {
    /// Tried again by the backend's timer.
    Transient,
    /// Somebody else owns the partition, or will: a lost revocation follows. Never tried again.
    Stale,
    /// Will fail until somebody changes a setting or a permission; tried again by the timer all the same.
    Permanent,
    /// The client is beyond repair; `Event::Fatal` follows.
    Fatal,
}

impl CommitClass {
    /// For logs: what follows.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Transient => "tried again by itself",
            Self::Stale => "the partition has another owner, or will have",
            Self::Permanent => "fails until a setting or a permission is changed, tried again by itself",
            Self::Fatal => "the client is replaced",
        }
    }

    /// As metrics call it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Stale => "stale",
            Self::Permanent => "permanent",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assigned(lanes) => {
                let places =
                    lanes.iter().map(|lane| (lane.topic().to_owned(), lane.partition(), lane.epoch()));
                f.debug_tuple("Assigned").field(&places.collect::<Vec<_>>()).finish()
            }
            Self::Revoked { id, lanes, lost } => {
                f.debug_struct("Revoked").field("id", id).field("lanes", lanes).field("lost", lost).finish()
            }
            Self::Committed(reports) => f.debug_tuple("Committed").field(reports).finish(),
            Self::Expired { lane, from, to } => {
                f.debug_struct("Expired").field("lane", lane).field("from", from).field("to", to).finish()
            }
            Self::Fatal { message, remedy } => {
                f.debug_struct("Fatal").field("message", message).field("remedy", remedy).finish()
            }
            Self::Closed => f.write_str("Closed"),
        }
    }
}
