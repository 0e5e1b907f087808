//! Encodes a value as a payload: any `Serialize` type is JSON, wrappers select their codec.

use std::any::type_name;
use std::cell::Cell;

use bytes::Bytes;
use serde::Serialize;

use super::finite::{NotingNulls, not_finite};

/// A value that can be published as a payload. Any `Serialize` type is JSON; `Json<T>`, `Text` and `Raw` select their
/// codec.
///
/// Implemented for values and references. A `String` is a JSON string, with its quotes: publish [`Text`](crate::delivery::Text) for the text
/// itself. An `Option` that is `None` is the JSON `null`, not a tombstone.
///
/// For another codec, write a wrapper: `impl<T: ..> IntoPayload for MsgPack<T>`.
///
/// ```
/// use faststream::{EncodeError, FastStream, IntoPayload, TestApp, memory::MemoryBroker, publisher, subscriber};
///
/// /// Fields that are separated by semicolons.
/// struct Csv(Vec<String>);
///
/// impl IntoPayload for Csv {
///     fn into_payload(self) -> Result<bytes::Bytes, EncodeError> {
///         if self.0.iter().any(|field| field.contains(';')) {
///             return Err(EncodeError::new::<Self>("a field contains a semicolon"));
///         }
///         Ok(self.0.join(";").into())
///     }
/// }
///
/// #[subscriber(topic = "orders")]
/// #[publisher(topic = "rows")]
/// async fn export(order: u64) -> Csv {
///     Csv(vec![order.to_string(), "pen".to_owned()])
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("export");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", &7).await;
/// let (_, row) = app.published::<u64>("rows").single_record();
/// assert_eq!(row.payload.as_deref(), Some(&b"7;pen"[..]));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be published",
    label = "not serializable",
    note = "add `#[derive(serde::Serialize)]`, or implement `faststream::IntoPayload`"
)]
pub trait IntoPayload {
    /// Encodes the value.
    ///
    /// # Errors
    /// If the value cannot be encoded. In JSON these are a map whose keys are not strings, NaN, and an infinity.
    fn into_payload(self) -> Result<Bytes, EncodeError>;
}

/// A value that cannot be encoded. No further attempt changes that.
///
/// ```
/// use faststream::{EncodeError, IntoPayload};
///
/// let error: EncodeError = f64::NAN.into_payload().expect_err("JSON has no NaN");
/// assert_eq!(error.type_name(), "f64");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{type_name}` cannot be encoded: {message}")]
pub struct EncodeError {
    type_name: &'static str,
    message: String,
}

impl EncodeError {
    /// Returns the error for a `T` that cannot be encoded, with the reason `message`: lowercase, no full stop.
    pub fn new<T: ?Sized>(message: impl Into<String>) -> Self {
        Self { type_name: type_name::<T>(), message: message.into() }
    }

    /// Returns the type's name.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> IntoPayload for T {
    fn into_payload(self) -> Result<Bytes, EncodeError> {
        json(&self)
    }
}

thread_local! {
    /// The last encoded value. The payload takes no more memory than it needs, and no payload grows while it is
    /// written.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A scratch buffer larger than this is freed.
const SCRATCH_KEPT: usize = 64 << 10;

/// Encodes a value as JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, EncodeError> {
    // Left empty while in use, because a value may encode others while it is encoded.
    let mut scratch = SCRATCH.take();
    scratch.clear();
    let payload = encode(value, &mut scratch).map(|()| {
        if scratch.len() > SCRATCH_KEPT {
            std::mem::take(&mut scratch).into()
        } else {
            Bytes::copy_from_slice(&scratch)
        }
    });
    SCRATCH.set(scratch);
    payload
}

fn encode<T: Serialize + ?Sized>(value: &T, payload: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut nulls = NotingNulls::default();
    let mut serializer = serde_json::Serializer::with_formatter(payload, &mut nulls);
    value.serialize(&mut serializer).map_err(|error| EncodeError::new::<T>(error.to_string()))?;
    // Written as `null`, it would be another value, which a reader of the same type cannot decode.
    if nulls.has_null
        && let Some(number) = not_finite(value)
    {
        return Err(EncodeError::new::<T>(format!(
            "{number}, which JSON cannot express: give an `Option`, or another number"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::delivery::{Json, Raw, Text};

    #[test]
    fn a_serialize_type_is_json_by_value_and_by_reference() {
        let value = vec![1, 2];
        assert_eq!((&value).into_payload(), Ok(Bytes::from("[1,2]")));
        assert_eq!((&Json(&value)).into_payload(), Ok(Bytes::from("[1,2]")));
        assert_eq!(Json(&value).into_payload(), Ok(Bytes::from("[1,2]")));
        assert_eq!(value.into_payload(), Ok(Bytes::from("[1,2]")));
    }

    #[test]
    fn a_string_is_a_json_string_and_a_text_is_its_text() {
        assert_eq!("a\"b".into_payload(), Ok(Bytes::from(r#""a\"b""#)));
        assert_eq!(String::from("ab").into_payload(), Ok(Bytes::from(r#""ab""#)));
        assert_eq!((&Text::from("a\"b")).into_payload(), Ok(Bytes::from("a\"b")));
        assert_eq!(Text::from("a\"b").into_payload(), Ok(Bytes::from("a\"b")));
    }

    #[test]
    fn raw_bytes_are_shared() {
        let raw = Raw::from(&b"\xff"[..]);
        assert_eq!((&raw).into_payload(), Ok(Bytes::from(&b"\xff"[..])));
        assert_eq!(raw.into_payload(), Ok(Bytes::from(&b"\xff"[..])));
    }

    #[test]
    fn none_is_a_json_null_and_not_a_tombstone() {
        assert_eq!(None::<u8>.into_payload(), Ok(Bytes::from("null")));
    }

    #[test]
    fn what_json_cannot_say_is_an_error_that_names_the_type() {
        let error = BTreeMap::from([(vec![1], 2)]).into_payload().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`alloc::collections::btree::map::BTreeMap<alloc::vec::Vec<i32>, i32>` cannot be encoded: key must be a \
             string"
        );
    }
}
