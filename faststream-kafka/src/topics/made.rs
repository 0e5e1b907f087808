//! Interprets the broker's answers to a request that creates topics: success, somebody else was faster, refused
//! for now, refused for good.

use faststream_core::broker::{TopicFault, TopicRequest};
use rdkafka::admin::TopicResult;
use rdkafka::error::RDKafkaErrorCode as Code;

/// The results of one request. Every topic of it is in one of the lists: what a broker refuses for now is an error
/// of the whole request instead, so that the caller tries again.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The topics that this request created.
    pub(super) new: Vec<String>,
    /// The topics that exist, though the metadata did not have them: somebody else has just created them, or this
    /// user may not describe them.
    pub(super) unseen: Vec<String>,
    /// The topics that are refused, and will be again.
    pub(super) refused: Vec<TopicFault>,
}

impl Made {
    /// Sorts the results.
    ///
    /// # Errors
    /// The reason for which the broker refused a topic for now, for example without a controller. The caller tries
    /// again.
    pub(super) fn of(results: Vec<TopicResult>) -> Result<Self, String> {
        let mut made = Self::default();
        for result in results {
            match result {
                Ok(topic) => made.new.push(topic),
                Err((topic, Code::TopicAlreadyExists)) => made.unseen.push(topic),
                Err((topic, code)) if is_final(code) => made.refused.push(refused(topic, code)),
                Err((topic, code)) => return Err(format!("making topic {topic}: {code}")),
            }
        }
        Ok(made)
    }
}

/// Returns what to do about a topic that exists and is not shown to this user.
pub(super) fn unseen(topic: &str) -> String {
    format!(
        "topic {topic} exists, but is not shown to this client's user: give it the right Describe on the topic"
    )
}

/// Returns the fault of a topic that the broker refuses to create. Without the permission to describe a topic, an
/// existing one looks as if it did not exist.
fn refused(topic: String, code: Code) -> TopicFault {
    // A topic that may not be described looks like one that does not exist.
    let perhaps = match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            ", or this client's user has no right to describe it"
        }
        _ => "",
    };
    TopicFault::missing(topic, format!("the broker refuses to make it: {code}{perhaps}"))
}

/// Returns the fault of a topic that does not exist and will not be created.
pub(super) fn absent_topic(request: &TopicRequest) -> TopicFault {
    TopicFault::missing(request.topic.as_str(), "the broker does not know it")
}

/// Returns whether the refusal lasts until somebody changes the cluster, so that waiting does not help: missing
/// permissions, a policy of the cluster, and requests that are wrong in themselves. Any other code (no controller,
/// a timeout) may change.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::PolicyViolation
            | Code::InvalidTopic
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::InvalidReplicaAssignment
            | Code::InvalidConfig
            | Code::InvalidRequest
            | Code::UnsupportedVersion
    )
}
