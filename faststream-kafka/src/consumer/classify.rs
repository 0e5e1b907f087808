//! The meaning of a failed commit.

use std::time::Duration;

use faststream_core::broker::{CommitClass, CommitError, Remedy};
use rdkafka::types::RDKafkaErrorCode as Code;

/// How long a place in the group may stay taken beyond the session of a member that crashed.
const BEYOND_SESSION: Duration = Duration::from_secs(15);

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

/// Returns the possible remedy for a client with this fatal error. `session` returns how long the broker waits for a
/// silent member.
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

/// Returns the fix for a fatal error, to be logged after its reason.
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
