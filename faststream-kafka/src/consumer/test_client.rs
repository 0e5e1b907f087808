//! Clients of groups for tests, without a broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use faststream_core::broker::GroupRequest;
use rdkafka::ClientConfig;

use super::client::ConsumerClient;
use super::context::GroupContext;
use crate::error_log::ErrorLog;

/// Returns the context of a client of a group, for tests that create one.
pub(crate) fn test_context(errors: ErrorLog) -> GroupContext {
    GroupContext::new("test".into(), Arc::new(errors))
}

/// Returns a client of a group that no broker can be reached by, for tests that need one. It reads no topic.
pub(super) fn test_client() -> Arc<ConsumerClient> {
    let consumer = ClientConfig::new()
        // No broker listens there.
        .set("bootstrap.servers", "127.0.0.1:1")
        .set("group.id", "test")
        .create_with_context(test_context(ErrorLog::new("test")))
        .expect("a client");
    let request = GroupRequest {
        group: "test".into(),
        topics: BTreeMap::new(),
        patterns: Vec::new(),
        commit_interval: Duration::from_secs(1),
        drain: Duration::from_secs(5),
    };
    ConsumerClient::new(consumer, request)
}
