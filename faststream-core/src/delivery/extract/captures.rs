//! The named groups of a subscriber's `pattern`, as they matched the name of the record's topic.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;

use super::{FromDelivery, Requirements};
use crate::delivery::Delivery;
use crate::result::Rejection;

/// The named groups of a subscriber's `pattern`: by name, or as a type with a field for each. Values are text only, and
/// a group that did not match is missing.
///
/// ```
/// use faststream::{Captures, FastStream, TestApp, memory::MemoryBroker, publisher, subscriber};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Source {
///     level: String,
/// }
///
/// #[subscriber(pattern = "^logs\\.(?<level>[a-z]+)$")]
/// #[publisher(topic = "levels")]
/// async fn count(_line: String, Captures(source): Captures<Source>) -> String {
///     source.level
/// }
///
/// # faststream::testing::run(false, || async {
/// let broker = MemoryBroker::new();
/// broker.create_topic("logs.error", 1);
/// let app = FastStream::new(broker).name("levels");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("logs.error", &"disk full").await;
/// assert_eq!(app.published::<String>("levels").single(), "error");
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captures<T = BTreeMap<String, String>>(pub T);

impl<T: DeserializeOwned + Send + 'static> FromDelivery for Captures<T> {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        let Some(pattern) = &delivery.handler.pattern else {
            return Err(Rejection::new("`Captures` needs a subscriber with a `pattern`"));
        };
        let topic = delivery.record.topic;
        let Some(captures) = pattern.captures(topic) else {
            return Err(Rejection::new("the topic does not match the subscriber's `pattern`"));
        };
        let named = pattern.capture_names().flatten();
        let found = named.filter_map(|name| captures.name(name).map(|group| (name, group.as_str())));
        let read = T::deserialize(MapDeserializer::<_, serde::de::value::Error>::new(found));
        read.map(Self)
            .map_err(|error| Rejection::new(format!("the groups of the `pattern` do not fit: {error}")))
    }

    fn requires(requirements: &mut Requirements) {
        requirements.captures();
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::fixture::DeliveryFixture;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Log {
        level: String,
        part: Option<String>,
    }

    #[test]
    fn named_groups_are_read_by_name_and_by_field() {
        let fixture = DeliveryFixture::new("logs.warn").pattern(r"^logs\.(?<level>[a-z]+)(\.(?<part>.+))?$");
        let all = <Captures>::from_delivery(&fixture.delivery()).expect("it matches");
        assert_eq!(all.0, BTreeMap::from([("level".to_owned(), "warn".to_owned())]));
        let typed = Captures::<Log>::from_delivery(&fixture.delivery()).expect("it fits");
        assert_eq!(typed.0, Log { level: "warn".into(), part: None });
    }

    #[test]
    fn a_subscriber_by_name_has_none() {
        let fixture = DeliveryFixture::new("logs");
        assert!(<Captures>::from_delivery(&fixture.delivery()).is_err());
    }
}
