//! Seeing bad payloads oneself, and tombstones.

use faststream::kafka::Kafka;
use faststream::{FastStream, Key, Metadata, Rejection, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Profile {
    name: String,
}

/// Keeps profiles: a tombstone deletes one, what cannot be read is only noted.
#[subscriber(topic = "profiles")]
async fn keep(profile: Result<Option<Profile>, Rejection>, key: Option<Key<String>>, metadata: Metadata) {
    let key = key.map_or_else(|| "-".into(), |key| key.0);
    match profile {
        Ok(Some(profile)) => tracing::info!(key, name = profile.name, "kept"),
        Ok(None) => tracing::info!(key, "deleted"),
        Err(rejection) => tracing::warn!(key, offset = metadata.offset, "not a profile: {rejection}"),
    }
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("profiles")
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::{Outgoing, TestApp};

    #[faststream::test]
    async fn bad_payloads_and_tombstones_are_handled_as_the_handler_says() {
        let app = TestApp::start(app().await).await;
        app.publish("profiles", &Profile { name: "ada".into() }).await;
        app.publish_record(Outgoing::new("profiles", "{broken")).await;
        app.publish_record(Outgoing {
            payload: None,
            key: Some("ada".into()),
            ..Outgoing::new("profiles", "")
        })
        .await;
        assert_eq!(app.calls("keep").len(), 3);
        assert!(app.held().is_empty());
    }
}
