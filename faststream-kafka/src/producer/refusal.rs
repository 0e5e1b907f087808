//! Why a record was not published: whether a retry can succeed, and the fix.
//!
//! Pure tables from librdkafka's and the brokers' codes to the error of the contract. `Retriable` errors heal by
//! themselves, `Denied` ones need a fix in the cluster or in its settings, `Permanent` ones are in the record. An
//! unknown code is retriable, because a retry loses nothing.

use faststream_core::broker::{PublishError, PublishErrorKind};
use rdkafka::error::RDKafkaErrorCode as Code;

/// The refusal of one record by the client or the broker.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    /// librdkafka's code, with the broker's own codes among them.
    pub(super) code: Code,
    /// Key, value and headers, in bytes.
    pub(super) size: usize,
    /// The broker's text besides its code; may be empty.
    pub(super) reason: &'a str,
}

impl Refused<'_> {
    /// Returns the error with which its receipt resolves: the code, the broker's text, the fix.
    pub(super) fn error(&self, topic: &str) -> PublishError {
        let mut message = self.code.to_string();
        if !self.reason.is_empty() {
            message = format!("{message}: {}", self.reason.trim_end_matches('.'));
        }
        let cure = cure(self.code, topic, self.size);
        if !cure.is_empty() {
            message = format!("{message}; {cure}");
        }
        PublishError { kind: kind(self.code), topic: topic.to_string(), message }
    }
}

/// Returns whether a retry can succeed, and who has to act if not.
fn kind(code: Code) -> PublishErrorKind {
    match code {
        Code::QueueFull => PublishErrorKind::QueueFull,
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::InvalidTopic
        | Code::Authentication
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::DelegationTokenAuthorizationFailed
        | Code::DelegationTokenAuthDisabled
        | Code::DelegationTokenExpired
        | Code::DelegationTokenNotFound
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled
        | Code::UnsupportedVersion
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::UnsupportedFeature
        | Code::PolicyViolation
        | Code::InvalidRequiredAcks
        | Code::ThrottlingQuotaExceeded => PublishErrorKind::Denied,
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::UnknownPartition
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::InvalidRequest
        | Code::InvalidArgument => PublishErrorKind::Permanent,
        _ => PublishErrorKind::Retriable,
    }
}

/// Returns whether the broker may return this code for a whole batch because of one record in it, or because of
/// the batch's own size. Such a code says nothing about a single record.
pub(super) fn is_of_a_batch(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidTimestamp
            | Code::InvalidRecord
            | Code::InvalidDifferentRecord
            | Code::InvalidRequest
            | Code::PolicyViolation
            | Code::UnsupportedForMessageFormat
            | Code::Unknown
    )
}

/// Returns the fix, as the end of the error's sentence; empty if waiting is the fix.
fn cure(code: Code, topic: &str, size: usize) -> String {
    let cure = match code {
        Code::QueueFull => {
            "the producer's own queue is full: try again after a moment, or raise queue.buffering.max.messages or \
             queue.buffering.max.kbytes"
        }
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            return format!(
                "the record has {size} bytes: make it smaller, or raise message.max.bytes of the producer and \
                 max.message.bytes of topic {topic}"
            );
        }
        Code::UnknownTopic | Code::UnknownTopicOrPartition => {
            return format!("topic {topic} does not exist, and the broker does not create it: create it");
        }
        Code::UnknownPartition => "the topic has no such partition: leave the choice to the key",
        Code::InvalidTopic | Code::InvalidArgument => {
            "a topic's name has 1 to 249 letters, digits, `.`, `_` and `-`"
        }
        Code::TopicAuthorizationFailed => {
            return format!("give this client's user the right WRITE on topic {topic}");
        }
        Code::ClusterAuthorizationFailed => {
            "give this client's user the right WRITE on its topics, or IDEMPOTENT_WRITE on the cluster, or set \
             enable.idempotence=false"
        }
        Code::TransactionalIdAuthorizationFailed => {
            "give this client's user the right WRITE on its transactional.id"
        }
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled
        | Code::DelegationTokenAuthorizationFailed
        | Code::DelegationTokenAuthDisabled
        | Code::DelegationTokenExpired
        | Code::DelegationTokenNotFound => {
            "the broker does not let this client in: check security.protocol, sasl.mechanism, sasl.username and \
             sasl.password"
        }
        Code::InvalidTimestamp => {
            return format!(
                "its timestamp is further from the broker's clock than topic {topic} allows: leave it out, or raise \
                 message.timestamp.before.max.ms or message.timestamp.after.max.ms of the topic"
            );
        }
        Code::InvalidRecord => {
            return format!(
                "topic {topic} refuses the record: with cleanup.policy=compact it takes none without a key, and a record of \
                 the wrong form in no case; set cleanup.policy=delete if its records are copies"
            );
        }
        Code::PolicyViolation => "a policy of the cluster forbids it: ask who runs the cluster",
        Code::ThrottlingQuotaExceeded => "a quota of the cluster is used up: raise it",
        Code::InvalidRequiredAcks => "the broker takes no such `acks`: set acks=all",
        Code::UnsupportedVersion
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::UnsupportedFeature => {
            "the broker is too old for this setting: set another compression.type, leave headers out, or update the broker"
        }
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => {
            return format!("fewer replicas of topic {topic} are in sync than its min.insync.replicas");
        }
        Code::InvalidDifferentRecord => "another record of its batch was refused: send this one again",
        Code::MessageTimedOut => {
            "not confirmed within message.timeout.ms; it may have been written all the same"
        }
        Code::PurgeQueue | Code::PurgeInflight | Code::Fatal | Code::BrokerDestroy => {
            "the producer ended or is being replaced before the broker answered"
        }
        _ => "",
    };
    cure.to_owned()
}

#[cfg(test)]
mod tests {
    use PublishErrorKind::{Denied, Permanent, QueueFull, Retriable};

    use super::*;

    /// Every code that a delivery can have: of the client itself, then of brokers' answers to a Produce request.
    const TABLE: &[(Code, PublishErrorKind, bool, &str)] = &[
        (Code::QueueFull, QueueFull, false, "queue.buffering.max.messages"),
        (Code::MessageTimedOut, Retriable, false, "message.timeout.ms"),
        (Code::OperationTimedOut, Retriable, false, ""),
        (Code::TimedOutQueue, Retriable, false, ""),
        (Code::BrokerTransportFailure, Retriable, false, ""),
        (Code::AllBrokersDown, Retriable, false, ""),
        (Code::Resolve, Retriable, false, ""),
        (Code::SSL, Retriable, false, ""),
        (Code::BrokerDestroy, Retriable, false, "being replaced"),
        (Code::PurgeQueue, Retriable, false, "being replaced"),
        (Code::PurgeInflight, Retriable, false, "being replaced"),
        (Code::Fatal, Retriable, false, "being replaced"),
        (Code::GaplessGuarantee, Retriable, false, ""),
        (Code::Inconsistent, Retriable, false, ""),
        (Code::Fenced, Retriable, false, ""),
        (Code::State, Retriable, false, ""),
        (Code::InvalidDifferentRecord, Retriable, true, "send this one again"),
        (Code::UnknownTopic, Denied, false, "topic orders does not exist"),
        (Code::UnknownPartition, Permanent, false, "no such partition"),
        (Code::Authentication, Denied, false, "sasl.password"),
        (Code::UnsupportedFeature, Denied, false, "too old"),
        (Code::InvalidArgument, Permanent, false, "topic's name"),
        (Code::Unknown, Retriable, true, ""),
        (Code::InvalidMessage, Retriable, true, ""),
        (Code::UnknownTopicOrPartition, Denied, false, "topic orders does not exist"),
        (Code::InvalidMessageSize, Permanent, true, "7 bytes"),
        (Code::LeaderNotAvailable, Retriable, false, ""),
        (Code::NotLeaderForPartition, Retriable, false, ""),
        (Code::RequestTimedOut, Retriable, false, ""),
        (Code::BrokerNotAvailable, Retriable, false, ""),
        (Code::ReplicaNotAvailable, Retriable, false, ""),
        (Code::MessageSizeTooLarge, Permanent, true, "max.message.bytes of topic orders"),
        (Code::NetworkException, Retriable, false, ""),
        (Code::InvalidTopic, Denied, false, "1 to 249"),
        (Code::MessageBatchTooLarge, Permanent, true, "7 bytes"),
        (Code::NotEnoughReplicas, Retriable, false, "min.insync.replicas"),
        (Code::NotEnoughReplicasAfterAppend, Retriable, false, "min.insync.replicas"),
        (Code::InvalidRequiredAcks, Denied, false, "acks=all"),
        (Code::TopicAuthorizationFailed, Denied, false, "WRITE on topic orders"),
        (Code::ClusterAuthorizationFailed, Denied, false, "IDEMPOTENT_WRITE"),
        (Code::TransactionalIdAuthorizationFailed, Denied, false, "transactional.id"),
        (Code::InvalidTimestamp, Permanent, true, "message.timestamp.after.max.ms"),
        (Code::UnsupportedSASLMechanism, Denied, false, "sasl.mechanism"),
        (Code::IllegalSASLState, Denied, false, "sasl.mechanism"),
        (Code::UnsupportedVersion, Denied, false, "too old"),
        (Code::InvalidRequest, Permanent, true, ""),
        (Code::UnsupportedForMessageFormat, Denied, true, "headers"),
        (Code::PolicyViolation, Denied, true, "policy"),
        (Code::OutOfOrderSequenceNumber, Retriable, false, ""),
        (Code::DuplicateSequenceNumber, Retriable, false, ""),
        (Code::InvalidProducerEpoch, Retriable, false, ""),
        (Code::SecurityDisabled, Denied, false, "security.protocol"),
        (Code::KafkaStorageError, Retriable, false, ""),
        (Code::LogDirNotFound, Retriable, false, ""),
        (Code::SaslAuthenticationFailed, Denied, false, "sasl.password"),
        (Code::UnknownProducerId, Retriable, false, ""),
        (Code::DelegationTokenNotFound, Denied, false, "lets"),
        (Code::DelegationTokenAuthDisabled, Denied, false, "lets"),
        (Code::DelegationTokenAuthorizationFailed, Denied, false, "lets"),
        (Code::DelegationTokenExpired, Denied, false, "lets"),
        (Code::FencedLeaderEpoch, Retriable, false, ""),
        (Code::UnknownLeaderEpoch, Retriable, false, ""),
        (Code::UnsupportedCompressionType, Denied, false, "compression.type"),
        (Code::InvalidRecord, Permanent, true, "without a key"),
        (Code::ThrottlingQuotaExceeded, Denied, false, "quota"),
        (Code::ProducerFenced, Retriable, false, ""),
    ];

    #[test]
    fn every_code_of_a_delivery_says_who_can_mend_it_and_how() {
        let topic = "orders";
        for (code, kind, of_a_batch, says) in TABLE {
            let error = Refused { code: *code, size: 7, reason: "" }.error(topic);
            assert_eq!((error.kind, is_of_a_batch(*code)), (*kind, *of_a_batch), "{code:?}");
            let says = if *says == "lets" { "does not let this client in" } else { says };
            assert!(error.message.contains(says), "{code:?}: {error}");
            assert!(error.message.starts_with(&format!("{code:?}")), "{code:?}: {error}");
            // An error that somebody can fix has a fix in its text.
            let is_mute = says.is_empty();
            let needs_a_cure = *kind != Retriable && *code != Code::InvalidRequest;
            assert!(!is_mute || !needs_a_cure, "{code:?} names no cure");
        }
    }

    #[test]
    fn what_the_broker_says_of_a_record_is_passed_on() {
        let refused =
            Refused { code: Code::InvalidTimestamp, size: 1, reason: "Timestamp 5 is out of range." };
        let error = refused.error("orders");
        assert!(error.message.contains(": Timestamp 5 is out of range; its timestamp is further"), "{error}");
    }
}
