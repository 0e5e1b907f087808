//! What a failed commit means.

use faststream_core::broker::{CommitClass, CommitError};
use rdkafka::types::RDKafkaErrorCode as Code;

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
        // All that time cures, and what is not known: tried again by the timer.
        _ => CommitClass::Transient,
    };
    CommitError { class, message: format!("{code:?}: {code}") }
}

/// Whether a new client would fail in the same way until this program is changed: another one has our static id, or
/// settings are refused. A permission may be given, and a place in the group become free, while we wait.
pub(super) fn is_permanent(code: Code) -> bool {
    matches!(
        code,
        Code::FencedInstanceId
            | Code::UnreleasedInstanceId
            | Code::UnsupportedAssignor
            | Code::UnsupportedVersion
            | Code::InvalidConfig
    )
}

/// What to do about a fatal error, to be said behind its reason.
pub(super) fn cure(code: Code) -> &'static str {
    match code {
        Code::FencedInstanceId | Code::UnreleasedInstanceId => {
            "; two members have one group.instance.id: give each process its own"
        }
        Code::GroupAuthorizationFailed => "; let this user read in the group",
        Code::GroupMaxSizeReached => "; the group has as many members as the broker allows (group.max.size)",
        _ => "",
    }
}
