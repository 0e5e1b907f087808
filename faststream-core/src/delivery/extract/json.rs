//! JSON payloads: `Json<T>`, and the decoding that every plain `Deserialize` type uses, too.

use std::any::type_name;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sentence::without_values;
use super::tombstone::{self, Tombstone};
use super::{FromPayload, OptionalFromDelivery};
use crate::delivery::Delivery;
use crate::publish::{EncodeError, IntoPayload, json};
use crate::result::Rejection;

/// A JSON payload, named explicitly: the same as `T` alone, as an argument and as a result.
///
/// Useful for a `T` that is also an extractor, and where the codec should be visible.
///
/// ```
/// use faststream::{FastStream, Json, TestApp, memory::MemoryBroker, publisher, subscriber};
///
/// /// A list as one payload, and one payload as the answer.
/// #[subscriber(topic = "numbers")]
/// #[publisher(topic = "sums")]
/// async fn sum(Json(numbers): Json<Vec<u64>>) -> Json<u64> {
///     Json(numbers.iter().sum())
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("sums");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("numbers", &[1, 2, 3]).await;
/// assert_eq!(app.published::<u64>("sums").single(), 6);
/// # });
/// ```
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

/// Decodes a payload in place; `None` is a tombstone, which only `Option`s accept.
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
    let (sentence, name) = (without_values(&error.to_string()), type_name::<T>());
    let what = if error.is_data() {
        format!("the payload is JSON, but not of `{name}`: {sentence}")
    } else {
        format!("the payload is not JSON: {sentence}")
    };
    match hint(payload, name, error.is_data()) {
        Some(hint) => Rejection::new(format!("{what}; {hint}")),
        None => Rejection::new(what),
    }
}

/// Returns what the payload may be instead, and which type to use for it. `json` is whether it is JSON at all.
fn hint(payload: &[u8], name: &str, json: bool) -> Option<String> {
    let inner = name.strip_prefix("core::option::Option<").and_then(|rest| rest.strip_suffix('>'));
    let name = inner.unwrap_or(name);
    let is_text = std::str::from_utf8(payload).is_ok_and(|text| !text.contains(is_binary));
    if name == "alloc::string::String" && is_text {
        return Some("a `String` is a JSON string with its quotes: take `Text` for plain text".into());
    }
    if let Some(item) = name.strip_prefix("alloc::vec::Vec<").and_then(|rest| rest.strip_suffix('>')) {
        if item == "u8" {
            return Some("a `Vec<u8>` is a JSON list of numbers: take `Raw` for the payload's bytes".into());
        }
        // A JSON list gets no hint: its items are what is wrong.
        return (json && payload.trim_ascii_start().first() != Some(&b'[')).then(|| {
            let short = item.rsplit("::").next().unwrap_or(item);
            format!(
                "a `Vec` is one record's JSON list: take `{short}` for a record that holds one; many records at a time \
                 (`batch(..)`) are not built yet"
            )
        });
    }
    if json {
        return None;
    }
    let number = matches!(name, "u16" | "u32" | "u64" | "i16" | "i32" | "i64" | "f32" | "f64");
    let length = name.trim_start_matches(char::is_alphabetic).parse::<usize>().unwrap_or(0) / 8;
    if number && payload.len() == length && !is_text {
        return Some(format!(
            "{length} bytes that are no text are what Java's serializers of numbers write: take `Raw`, and \
             `{name}::from_be_bytes`"
        ));
    }
    if payload.first() == Some(&0) && payload.len() > 5 {
        return Some(
            "its first byte is 0, as in a frame of a Schema Registry (0, four bytes of the schema's id, the message): take \
             `Raw`, and decode what follows the first five bytes"
                .into(),
        );
    }
    if !is_text {
        return Some("it is binary: take `Raw` for its bytes".into());
    }
    // A payload that begins like JSON was meant to be JSON.
    let begins = payload.trim_ascii_start().first();
    (!begins.is_some_and(|first| b"{[\"".contains(first))).then(|| "take `Text` for plain text".into())
}

fn is_binary(letter: char) -> bool {
    letter.is_control() && !letter.is_whitespace()
}

impl<T: Serialize> IntoPayload for Json<T> {
    fn into_payload(self) -> Result<Bytes, EncodeError> {
        json(&self.0)
    }
}

impl<T: Serialize> IntoPayload for &Json<T> {
    fn into_payload(self) -> Result<Bytes, EncodeError> {
        json(&self.0)
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

    fn told<T: DeserializeOwned>(payload: &[u8]) -> String {
        decode::<T>(Some(payload)).err().expect("it cannot be read").to_string()
    }

    #[test]
    fn plain_text_and_bytes_are_told_what_to_be_taken_as() {
        for text in [&b"hello"[..], b"42", b"{\"a\":1}", "gr\u{fc}\u{df}e".as_bytes()] {
            assert!(told::<String>(text).ends_with("take `Text` for plain text"), "{}", told::<String>(text));
            assert!(told::<Option<String>>(text).ends_with("take `Text` for plain text"));
        }
        assert!(told::<Order>(b"hello").ends_with("line 1 column 1; take `Text` for plain text"));
        assert!(!told::<Order>(b"{\"id\":").contains("Text"), "{}", told::<Order>(b"{\"id\":"));
        assert!(told::<Vec<u8>>(b"hello").contains("take `Raw`"));
        assert!(told::<Order>(b"\xff\x01").ends_with("it is binary: take `Raw` for its bytes"));
    }

    #[test]
    fn a_frame_of_a_registry_and_a_number_of_java_are_named() {
        let frame = [&[0, 0, 0, 0, 7][..], b"{\"id\":1,\"item\":\"pen\"}"].concat();
        assert!(told::<Order>(&frame).contains("its first byte is 0, as in a frame of a Schema Registry"));
        let told = [told::<u64>(&7_u64.to_be_bytes()), told::<i64>(&(-7_i64).to_be_bytes())];
        assert!(
            told.iter().all(|told| told.contains("8 bytes that are no text are what Java's")),
            "{told:?}"
        );
        assert!(told[1].ends_with("take `Raw`, and `i64::from_be_bytes`"));
    }

    #[test]
    fn a_list_that_was_meant_as_a_batch_is_told_so() {
        let told_of = told::<Vec<Order>>(b"{\"id\":1,\"item\":\"pen\"}");
        assert!(
            told_of.contains("take `Order` for a record that holds one") && told_of.contains("`batch(..)`"),
            "{told_of}"
        );
        assert!(!told::<Vec<Order>>(b"[{\"id\":1}]").contains("batch"));
    }

    #[test]
    fn a_json_null_is_none_too() {
        assert_eq!(decode::<Option<Order>>(Some(b"null")), Ok(None));
    }
}
