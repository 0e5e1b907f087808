//! What came of topics that were to be made.

use faststream_core::broker::{TopicFault, TopicRequest};
use rdkafka::admin::TopicResult;
use rdkafka::error::RDKafkaErrorCode as Code;

/// What came of topics that were to be made.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) new: Vec<String>,
    /// They exist, though the broker did not name them: somebody else made them just now, or this user may not see them.
    pub(super) unseen: Vec<String>,
    /// They are refused, and will be again.
    pub(super) refused: Vec<TopicFault>,
}

impl Made {
    /// # Errors
    /// What made the broker refuse a topic for now.
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

/// What to do about a topic that exists and is not shown.
pub(super) fn unseen(topic: &str) -> String {
    format!(
        "topic {topic} exists, but is not shown to this client's user: give it the right Describe on the topic"
    )
}

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

pub(super) fn absent_topic(request: &TopicRequest) -> TopicFault {
    TopicFault::missing(request.topic.as_str(), "the broker does not know it")
}

/// What trying again cannot change, unless somebody changes the cluster.
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
