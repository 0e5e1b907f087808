//! The rights that are taken away, and what they are to.

use super::app::Policy;
use crate::acls::{Operation, Resource};

/// What is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    ReadTopic,
    DescribeTopic,
    AllOfTopic,
    WriteResults,
    DescribeResults,
    WriteDeadLetters,
    DescribeDeadLetters,
    WriteRetries,
    DescribeRetries,
    AllOfRetries,
    ReadGroup,
    DescribeGroup,
    AllOfGroup,
    Create,
    CreateInCluster,
    DescribeConfigs,
    IdempotentWrite,
    /// Of all topics: then the broker lets nobody write idempotently.
    WriteAnything,
}

pub(super) const ALL: [Taken; 18] = [
    Taken::ReadTopic,
    Taken::DescribeTopic,
    Taken::AllOfTopic,
    Taken::WriteResults,
    Taken::DescribeResults,
    Taken::WriteDeadLetters,
    Taken::DescribeDeadLetters,
    Taken::WriteRetries,
    Taken::DescribeRetries,
    Taken::AllOfRetries,
    Taken::ReadGroup,
    Taken::DescribeGroup,
    Taken::AllOfGroup,
    Taken::Create,
    Taken::CreateInCluster,
    Taken::DescribeConfigs,
    Taken::IdempotentWrite,
    Taken::WriteAnything,
];

impl Taken {
    /// Whether a service with this policy uses it.
    pub(super) fn is_of(self, policy: Policy) -> bool {
        match self {
            Self::WriteDeadLetters | Self::DescribeDeadLetters => {
                matches!(policy, Policy::DeadLetter | Policy::Retry)
            }
            Self::WriteRetries | Self::DescribeRetries | Self::AllOfRetries => policy == Policy::Retry,
            _ => true,
        }
    }

    /// Whether it is taken away from every service of the user.
    pub(super) fn is_of_all(self) -> bool {
        matches!(self, Self::WriteAnything | Self::IdempotentWrite | Self::CreateInCluster)
    }

    pub(super) fn rights(self, topic: &str) -> Vec<(Resource, String, Operation)> {
        use Operation::{
            RD_KAFKA_ACL_OPERATION_ALL as EVERYTHING, RD_KAFKA_ACL_OPERATION_CREATE as CREATE,
            RD_KAFKA_ACL_OPERATION_DESCRIBE as DESCRIBE,
            RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS as DESCRIBE_CONFIGS,
            RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE as IDEMPOTENT_WRITE, RD_KAFKA_ACL_OPERATION_READ as READ,
            RD_KAFKA_ACL_OPERATION_WRITE as WRITE,
        };
        use Resource::{
            RD_KAFKA_RESOURCE_BROKER as CLUSTER, RD_KAFKA_RESOURCE_GROUP as GROUP,
            RD_KAFKA_RESOURCE_TOPIC as TOPIC,
        };
        let one = |resource, name: &str, operation| vec![(resource, name.to_owned(), operation)];
        match self {
            Self::ReadTopic => one(TOPIC, topic, READ),
            Self::DescribeTopic => one(TOPIC, topic, DESCRIBE),
            Self::AllOfTopic => one(TOPIC, topic, EVERYTHING),
            Self::WriteResults => one(TOPIC, &results(topic), WRITE),
            Self::DescribeResults => one(TOPIC, &results(topic), DESCRIBE),
            Self::WriteDeadLetters => one(TOPIC, &dead(topic), WRITE),
            Self::DescribeDeadLetters => one(TOPIC, &dead(topic), DESCRIBE),
            Self::WriteRetries => one(TOPIC, &retries(topic), WRITE),
            Self::DescribeRetries => one(TOPIC, &retries(topic), DESCRIBE),
            Self::AllOfRetries => one(TOPIC, &retries(topic), EVERYTHING),
            Self::ReadGroup => one(GROUP, topic, READ),
            Self::DescribeGroup => one(GROUP, topic, DESCRIBE),
            Self::AllOfGroup => one(GROUP, topic, EVERYTHING),
            Self::Create => names(topic).map(|name| (TOPIC, name, CREATE)).into(),
            Self::CreateInCluster => one(CLUSTER, "kafka-cluster", CREATE),
            Self::DescribeConfigs => names(topic).map(|name| (TOPIC, name, DESCRIBE_CONFIGS)).into(),
            Self::WriteAnything => one(TOPIC, "*", WRITE),
            Self::IdempotentWrite => one(CLUSTER, "kafka-cluster", IDEMPOTENT_WRITE),
        }
    }
}

pub(super) fn results(topic: &str) -> String {
    format!("{topic}-results")
}

pub(super) fn dead(topic: &str) -> String {
    format!("{topic}-dlt")
}

pub(super) fn retries(topic: &str) -> String {
    format!("{topic}-{topic}-retry-1s")
}

/// All topics that a service may touch.
pub(super) fn names(topic: &str) -> [String; 4] {
    [topic.to_owned(), results(topic), dead(topic), retries(topic)]
}
