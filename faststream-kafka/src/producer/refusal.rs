//! Why a record was not published: whether it may pass later, and what to do.

use faststream_core::broker::{PublishError, PublishErrorKind};
use rdkafka::error::RDKafkaErrorCode as Code;

/// The error of a record of `size` bytes that the client or the broker refused.
pub(super) fn refused(code: Code, topic: &str, size: usize) -> PublishError {
    let kind = kind(code);
    let cure = cure(code, size);
    let separator = if cure.is_empty() { "" } else { "; " };
    PublishError { kind, topic: topic.to_owned(), message: format!("{code}{separator}{cure}") }
}

/// Permanent is what lies in the record itself; Denied, what somebody has to mend in the cluster.
fn kind(code: Code) -> PublishErrorKind {
    match code {
        Code::QueueFull => PublishErrorKind::QueueFull,
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::InvalidTopic
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::PolicyViolation
        | Code::InvalidRequiredAcks
        | Code::ThrottlingQuotaExceeded => PublishErrorKind::Denied,
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::UnknownPartition
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::InvalidArgument => PublishErrorKind::Permanent,
        _ => PublishErrorKind::Retriable,
    }
}

fn cure(code: Code, size: usize) -> String {
    match code {
        Code::QueueFull => "the producer's own queue is full: try again after a moment, or raise \
                            queue.buffering.max.messages or queue.buffering.max.kbytes"
            .into(),
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => format!(
            "the record has {size} bytes: make it smaller, or raise message.max.bytes of the producer and max.message.bytes of \
             the topic"
        ),
        Code::UnknownTopic | Code::UnknownTopicOrPartition => {
            "the topic does not exist and the broker does not create it: create it".into()
        }
        Code::InvalidRecord => "the topic refuses the record: with cleanup.policy=compact it takes none without a key, and a \
                                record of the wrong form in no case; set cleanup.policy=delete if its records are copies"
            .into(),
        Code::UnknownPartition => "the topic has no such partition: leave the choice to the key".into(),
        Code::InvalidTopic | Code::InvalidArgument => {
            "a topic's name has 1 to 249 letters, digits, `.`, `_` and `-`".into()
        }
        Code::TopicAuthorizationFailed => "give this client's user the right to write to the topic".into(),
        Code::ClusterAuthorizationFailed => {
            "give this client's user the right IdempotentWrite, or set enable.idempotence=false".into()
        }
        Code::MessageTimedOut => {
            "not confirmed within message.timeout.ms; it may have been written all the same".into()
        }
        Code::PurgeQueue | Code::PurgeInflight | Code::Fatal | Code::BrokerDestroy => {
            "the producer ended or is being replaced before the broker answered".into()
        }
        _ => String::new(),
    }
}
