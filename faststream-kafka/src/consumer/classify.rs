//! The meaning of error codes: of a failed commit, and of a client that is unusable.
//!
//! Pure functions from librdkafka's codes to the classes of the runtime. Nothing else in this crate decides by the
//! code of a commit error, except that `OffsetMetadataTooLarge` turns metadata off (`committer.rs`).

use std::time::Duration;

use faststream_core::broker::{CommitClass, CommitError, Remedy};
use rdkafka::types::RDKafkaErrorCode as Code;

/// How long a place in the group may stay taken beyond the session of a member that crashed.
const BEYOND_SESSION: Duration = Duration::from_secs(15);

/// Returns the meaning of a commit error, with the code's name and text as its message.
///
/// Codes that say that this member, or its generation, is not (or no longer) the owner are stale: the records are
/// handled elsewhere, and a retry could only fail. Codes about permissions and settings are permanent, and still
/// retried, because somebody may change them at any moment. Everything else is transient, unknown codes included:
/// to retry is harmless, because the offsets stay stored.
pub(super) fn classify(code: Code) -> CommitError {
    let class = match code {
        Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::FencedMemberEpoch
        | Code::AssignmentLost
        | Code::State
        | Code::UnknownPartition => CommitClass::Stale,
        Code::GroupAuthorizationFailed
        | Code::TopicAuthorizationFailed
        | Code::OffsetMetadataTooLarge
        | Code::InvalidCommitOffsetSize
        | Code::GroupIdNotFound => CommitClass::Permanent,
        Code::Fatal | Code::FencedInstanceId | Code::UnreleasedInstanceId => CommitClass::Fatal,
        // Errors that time fixes, and unknown ones: the timer retries them.
        _ => CommitClass::Transient,
    };
    CommitError { class, message: format!("{code:?}: {code}") }
}

/// Returns the possible remedy for a client with this fatal error. `session` returns how long the broker waits for
/// a silent member. It may block, and is called only for a place that is still taken.
pub(super) fn remedy(code: Code, session: &dyn Fn() -> Duration) -> Remedy {
    match code {
        // Another process has our static id, or settings are refused.
        Code::FencedInstanceId
        | Code::UnsupportedAssignor
        | Code::UnsupportedVersion
        | Code::InvalidConfig => Remedy::Nothing,
        Code::UnreleasedInstanceId => Remedy::Time { longest: session() + BEYOND_SESSION },
        Code::GroupAuthorizationFailed
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::GroupMaxSizeReached => Remedy::Somebody,
        _ => Remedy::NewClient,
    }
}

/// Returns the fix for a fatal error, to be logged after its reason; empty if a new client is all that it needs.
pub(super) fn cure(code: Code) -> &'static str {
    match code {
        Code::FencedInstanceId => "; two members have one group.instance.id: give each process its own",
        Code::UnreleasedInstanceId => {
            "; two members have one group.instance.id: give each process its own. If it is this process that crashed, it joins \
             when the session of its former self is over"
        }
        Code::GroupAuthorizationFailed => "; let this user read in the group",
        Code::GroupMaxSizeReached => "; the group has as many members as the broker allows (group.max.size)",
        _ => "",
    }
}
