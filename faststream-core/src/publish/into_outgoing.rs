//! The last step before the producer: encodes a value, or a `Publish`, for its topic.

use std::sync::Arc;

use super::{EncodeError, IntoPayload, Publish};
use crate::record::timestamp_fault;
use crate::record::{Outgoing, Partition};

/// A value that can be published: a value that is [`IntoPayload`], or a [`Publish`] of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be published",
    label = "neither serializable nor a `Publish`",
    note = "add `#[derive(serde::Serialize)]`, or implement `faststream::IntoPayload`"
)]
pub trait IntoOutgoing {
    /// Encodes the value.
    ///
    /// # Errors
    /// If the value cannot be encoded, its partition is negative, its timestamp is not after 1970, or its key is NaN or
    /// an infinity.
    fn into_outgoing(self, topic: Arc<str>) -> Result<Outgoing, EncodeError>;
}

#[diagnostic::do_not_recommend]
impl<T: IntoPayload> IntoOutgoing for T {
    fn into_outgoing(self, topic: Arc<str>) -> Result<Outgoing, EncodeError> {
        Ok(Outgoing::new(topic, self.into_payload()?))
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoPayload> IntoOutgoing for Publish<T> {
    fn into_outgoing(self, topic: Arc<str>) -> Result<Outgoing, EncodeError> {
        let Self { value, key, key_fault, headers, partition, timestamp } = self;
        // A client takes -1 as `any`, and 0 as `now`, which would be another record than the requested one.
        if let Some(partition) = partition.filter(|partition| *partition < 0) {
            return Err(EncodeError::new::<T>(format!("there is no partition {partition}")));
        }
        if let Some(fault) = timestamp.and_then(timestamp_fault) {
            return Err(EncodeError::new::<T>(fault));
        }
        if let Some(fault) = key_fault {
            return Err(EncodeError::new::<T>(fault));
        }
        Ok(Outgoing {
            topic,
            partition: partition.map_or(Partition::ByKey, Partition::Exactly),
            key,
            payload: value.map(T::into_payload).transpose()?,
            headers,
            timestamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::delivery::{Headers, Text};

    fn encode(publish: impl IntoOutgoing) -> Result<Outgoing, String> {
        publish.into_outgoing("t".into()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_a_record_of_its_payload_alone() {
        assert_eq!(encode(7), Ok(Outgoing::new("t", "7")));
        assert_eq!(encode(Publish::new(Text::from("7"))), Ok(Outgoing::new("t", "7")));
    }

    #[test]
    fn key_headers_partition_and_timestamp_are_exactly_what_was_said() {
        let handled = Headers::from_iter([(Bytes::from("b"), None)]);
        let publish = Publish::new(7).key(42).header("a", "1").headers(handled).partition(0).timestamp(5);
        let publish = publish.header("a", None::<&str>);
        let expected = Outgoing {
            partition: Partition::Exactly(0),
            key: Some("42".into()),
            headers: vec![("a".into(), Some("1".into())), ("b".into(), None), ("a".into(), None)],
            timestamp: Some(5),
            ..Outgoing::new("t", "7")
        };
        assert_eq!(encode(publish), Ok(expected));
    }

    #[test]
    fn a_tombstone_has_no_payload() {
        let expected = Outgoing { key: Some("k".into()), payload: None, ..Outgoing::new("t", "") };
        assert_eq!(encode(Publish::tombstone().key("k")), Ok(expected.clone()));
        assert_eq!(encode(Publish::maybe(None::<u8>).key("k")), Ok(expected));
    }

    #[test]
    fn what_a_client_would_read_as_something_else_is_refused() {
        let error = encode(Publish::new(7).partition(-1)).unwrap_err();
        assert_eq!(error, "`i32` cannot be encoded: there is no partition -1");
        let error = encode(Publish::new(7).timestamp(-1)).unwrap_err();
        assert!(error.contains("before 1970"), "{error}");
    }
}
