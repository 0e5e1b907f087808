//! The events that a backend reports to a member of a group, and the commands that the member returns.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Lane;
use crate::policy::Start;

/// One lane: a partition during one assignment.
///
/// Unique in the process over all partitions and groups, so it identifies a lane alone. Only ever compared for
/// equality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Returns the next number of this process.
    pub fn next() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// One revocation that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationId(pub u64);

/// The lane has ended, and the offset was not accepted. Do not retry: another member owns the partition now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the partition was given to another assignment; this has no effect")]
pub struct Stale;

/// The events of a membership, in the order in which they happened.
pub enum Event {
    /// Lanes to read, opened at the group's committed offsets (or by the start policy). The list may be empty: the
    /// member owns no partitions yet, but it has an assignment.
    Assigned(Vec<Box<dyn Lane>>),
    /// A revocation, to be answered by [`Command::Answer`]. Until then no other member gets the partitions, unless
    /// `lost`: then another member may own them already.
    Revoked {
        /// The id for the answer.
        id: RevocationId,
        /// The lanes that end.
        lanes: Vec<Epoch>,
        /// Whether the membership is already lost.
        lost: bool,
    },
    /// The result of one commit, lane by lane.
    Committed(Vec<CommitReport>),
    /// The broker deleted records of a lane before they were read: its retention time is too short.
    Expired {
        /// The lane that would have read the records.
        lane: Epoch,
        /// The first of their offsets.
        from: i64,
        /// The first offset that still exists.
        to: i64,
    },
    /// A fatal client error: every lane ends now, and nothing they do from now on counts. The backend sends `Closed`
    /// next by itself, without `Command::Close`.
    Fatal {
        /// The client's message, with its code.
        message: String,
        /// The possible remedy.
        remedy: Remedy,
    },
    /// The membership has ended. The backend drops the member after this.
    Closed,
}

/// The possible remedy after a fatal client error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// A new client, after a pause that grows while new clients fail.
    NewClient,
    /// Somebody has to change something outside this program (a permission, a place in the group), and may do so at any
    /// moment. A new client tries every few seconds.
    Somebody,
    /// Waiting: this process's place in the group is still taken, perhaps by itself before a crash. A member that never
    /// had an assignment tries every second, for `longest` at most; otherwise the same as `Nothing`.
    Time {
        /// The time after which the place is certainly taken by another member.
        longest: Duration,
    },
    /// None: a new client would fail in the same way (another member owns our static id). Do not restart.
    Nothing,
}

/// The commands of a member to its backend, to be applied in order.
///
/// A command that names a lane which has ended, or a topic that is read already (or not read), changes nothing: the
/// backend may have ended the lane in the meantime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Release the lanes of this revocation. First, their `store` is fenced, and the offsets that they stored before
    /// are committed. The answer never waits for a lane's task.
    Answer(RevocationId),
    /// Commit the stored offsets, without waiting for the timer. One commit of a member is in flight at a time. Further
    /// requests during that commit cause exactly one more. A revocation that waits for its answer delays nothing,
    /// because calls may be waiting for this commit. If the backend cannot commit now (the broker is unavailable, the
    /// client is joining), it commits by its timer at the latest.
    CommitNow,
    /// End this lane and open its partition again, as a new lane, at the committed or stored offset, whichever is
    /// later: the lane's task died.
    Reopen(Epoch),
    /// Read nothing from this lane's partition until [`Resume`](Self::Resume): the lane's `poll_fill` is pending, and
    /// records that were fetched ahead are released. The records of its current batch are not taken back, stores and
    /// commits go on, and the membership is not touched. The partition is read again at the next record that was not
    /// handed out, whether or not it was fetched before.
    ///
    /// A pause is a reason of its own not to read. A backend may have others (memory, a record that cannot be read),
    /// and a lane has others, too (a record that is [held](Lane::set_held) or not due, the brake, the gate). A partition
    /// is read only while none of them applies: `Resume` ends this one and no other, and the end of another one does not
    /// end this one.
    ///
    /// It ends with its lane. The member decides about the partition's next lane, and then sends the command again.
    Pause(Epoch),
    /// Read this lane's partition again, as far as the pause is concerned.
    Resume(Epoch),
    /// End this lane and open its partition again, as a new lane, at the offset `next`, which may be before or after
    /// everything that was read.
    ///
    /// The lane is fenced first, so nothing that it still does has an effect. What it stored before is committed as at a
    /// release, once, and never again after an offset of the new lane. The seek itself commits nothing: the group's
    /// committed offset is what it was, until the new lane stores. From then on the new lane's offsets are committed,
    /// also where they are lower than what the group had. If the partition is revoked before, its next owner begins at
    /// the group's committed offset, and the seek is over.
    Seek {
        /// The lane that ends.
        lane: Epoch,
        /// The offset of the first record of the new lane, if it exists.
        next: i64,
    },
    /// Read this topic, too. Its partitions are assigned in the normal way, by a rebalance of the group. With
    /// [`Start::Latest`], the records that exist now are skipped if the group has committed nothing there.
    Subscribe {
        /// The topic's name.
        topic: Arc<str>,
        /// Where the group begins if it never committed there.
        start: Start,
    },
    /// Read this topic no longer. Its lanes are revoked in the normal way: the member drains them and answers, and what
    /// they stored is committed. A topic that a pattern selects is still read.
    Unsubscribe {
        /// The topic's name.
        topic: Arc<str>,
    },
    /// Fence all lanes, commit the stored offsets, leave the group, and end with `Event::Closed`. The backend answers
    /// every revocation that is open or arrives from now on by itself, and assigns nothing more.
    Close,
}

/// The result of a commit for one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitReport {
    /// The lane that stored the offset.
    pub lane: Epoch,
    /// The next offset that was to be committed.
    pub next: i64,
    /// Whether the broker accepted it.
    pub result: Result<(), CommitError>,
}

/// Why a commit failed, as the backend classified it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommitError {
    /// What the failure means.
    pub class: CommitClass,
    /// The code's name and text.
    pub message: String,
}

/// The meaning of a failed commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitClass {
    /// The backend's timer retries it.
    Transient,
    /// Another member owns the partition, or soon will: a lost revocation follows. Never retried.
    Stale,
    /// It fails until somebody changes a setting or a permission. The timer still retries it.
    Permanent,
    /// A fatal client error; `Event::Fatal` follows.
    Fatal,
}

impl CommitClass {
    /// Returns the consequence, for logs.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Transient => "tried again by itself",
            Self::Stale => "the partition has another owner, or will have",
            Self::Permanent => "fails until a setting or a permission is changed, tried again by itself",
            Self::Fatal => "the client is replaced",
        }
    }

    /// Returns the label in metrics.
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
