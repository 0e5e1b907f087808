//! JSON payloads: `Json<T>`, and the decoding that every plain `Deserialize` type uses too.

use std::any::type_name;
use std::ops::{Deref, DerefMut};

use serde::de::DeserializeOwned;

use super::sentence::without_values;
use super::tombstone::{self, Tombstone};
use super::{FromPayload, OptionalFromDelivery};
use crate::delivery::{Delivery, Rejection};

/// A JSON payload, said aloud: the same as `T` alone, as an argument and as a result.
///
/// Of use for a `T` that is also an extractor, and where the codec shall be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send + 'static> FromPayload for Json<T> {
    fn from_payload(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        decode(delivery.record.payload).map(Self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send + 'static> OptionalFromDelivery for Json<T> {
    const DECODES_PAYLOAD: bool = true;

    fn optional_from_delivery(delivery: &Delivery<'_>) -> Result<Option<Self>, Rejection> {
        delivery.record.payload.map(|_| Self::from_payload(delivery)).transpose()
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Decodes a payload in place; `None` is a tombstone, which only `Option`s take.
pub(crate) fn decode<T: DeserializeOwned>(payload: Option<&[u8]>) -> Result<T, Rejection> {
    match payload {
        Some(payload) => serde_json::from_slice(payload).map_err(|error| undecodable::<T>(payload, &error)),
        None => T::deserialize(Tombstone).map_err(|_| tombstone::unexpected(type_name::<T>())),
    }
}

#[cold]
fn undecodable<T>(payload: &[u8], error: &serde_json::Error) -> Rejection {
    if payload.trim_ascii().is_empty() {
        let bytes = payload.len();
        return Rejection::new(format!("the payload is empty ({bytes} bytes), which is not JSON"));
    }
    let sentence = without_values(&error.to_string());
    if error.is_data() {
        Rejection::new(format!("the payload is JSON, but not of `{}`: {sentence}", type_name::<T>()))
    } else {
        Rejection::new(format!("the payload is not JSON: {sentence}"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        id: u64,
        item: String,
    }

    fn order(payload: &[u8]) -> Result<Order, String> {
        decode(Some(payload)).map_err(|rejection| rejection.to_string())
    }

    #[test]
    fn unknown_fields_are_accepted() {
        let read = order(br#"{"id": 1, "item": "pen", "colour": "blue"}"#);
        assert_eq!(read, Ok(Order { id: 1, item: "pen".into() }));
    }

    #[test]
    fn a_missing_field_is_named_with_its_place() {
        let error = order(b"{\"id\":\n 1}").unwrap_err();
        assert!(error.ends_with("json::tests::Order`: missing field `item` at line 2 column 3"), "{error}");
    }

    #[test]
    fn what_is_not_json_says_where_it_ceases_to_be() {
        assert_eq!(
            order(b"{\"id\" 1}"),
            Err("the payload is not JSON: expected `:` at line 1 column 7".into())
        );
        assert_eq!(
            order(b"{\"id\":1").unwrap_err(),
            "the payload is not JSON: EOF while parsing an object at line 1 column 7"
        );
    }

    #[test]
    fn an_empty_payload_is_not_a_tombstone() {
        for empty in [&b""[..], b" \n"] {
            let error = decode::<Option<Order>>(Some(empty)).unwrap_err().to_string();
            assert!(error.contains("the payload is empty"), "{error}");
        }
    }

    #[test]
    fn a_tombstone_is_none_of_an_option_and_nothing_else() {
        assert_eq!(decode::<Option<Order>>(None), Ok(None));
        assert_eq!(decode::<Option<serde_json::Value>>(None), Ok(None));
        for rejected in [
            decode::<Order>(None).unwrap_err(),
            decode::<()>(None).unwrap_err(),
            decode::<serde_json::Value>(None).unwrap_err(),
            decode::<Vec<Option<u8>>>(None).unwrap_err(),
        ] {
            assert!(rejected.message().contains("tombstone"), "{rejected}");
        }
    }

    #[test]
    fn a_json_null_is_none_too() {
        assert_eq!(decode::<Option<Order>>(Some(b"null")), Ok(None));
    }
}
