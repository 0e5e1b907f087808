//! Reads keys and header values: bytes, text, and values that are written as text.

use std::any::type_name;

use bytes::Bytes;

use crate::result::Rejection;

/// A type that a key or a header value can be read as. You can implement it for your own types.
///
/// Numbers and `bool` are read from their text (`42`, `true`). For serializers that write big-endian integers, such as
/// Java's `LongSerializer`, take [`Bytes`]: `i64::from_be_bytes`.
///
/// ```
/// use faststream::{FastStream, FromBytes, Key, Publish, Rejection, TestApp, memory::MemoryBroker, subscriber};
///
/// /// A key as Java's `LongSerializer` writes it.
/// struct JavaLong(i64);
///
/// impl FromBytes for JavaLong {
///     fn from_bytes(bytes: &[u8]) -> Result<Self, Rejection> {
///         let bytes = bytes.try_into().map_err(|_| Rejection::new("is not eight bytes"))?;
///         Ok(Self(i64::from_be_bytes(bytes)))
///     }
/// }
///
/// #[subscriber(topic = "orders")]
/// async fn bill(_order: u64, Key(customer): Key<JavaLong>) {
///     assert_eq!(customer.0, 7);
/// }
///
/// # faststream::testing::run(false, || async {
/// let app = FastStream::new(MemoryBroker::new()).name("billing");
/// # let app = app.module(module_path!());
/// let app = TestApp::start(app).await;
/// app.publish("orders", Publish::new(1_u64).key(7_i64.to_be_bytes().to_vec())).await;
/// assert!(app.rejections("bill").is_empty());
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "a key or a header can't be read as `{Self}`",
    label = "neither bytes, nor text, nor a number",
    note = "take it as `String` or `bytes::Bytes`, or implement `faststream::FromBytes` for `{Self}`"
)]
pub trait FromBytes: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// If the bytes do not represent such a value. The message continues after `the key` or ``the header `x` ``:
    /// `is not UTF-8`.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Rejection>;
}

#[diagnostic::do_not_recommend]
impl FromBytes for Bytes {
    fn from_bytes(bytes: &[u8]) -> Result<Self, Rejection> {
        Ok(Self::copy_from_slice(bytes))
    }
}

#[diagnostic::do_not_recommend]
impl FromBytes for Vec<u8> {
    fn from_bytes(bytes: &[u8]) -> Result<Self, Rejection> {
        Ok(bytes.to_vec())
    }
}

#[diagnostic::do_not_recommend]
impl FromBytes for String {
    fn from_bytes(bytes: &[u8]) -> Result<Self, Rejection> {
        utf8(bytes).map(str::to_owned)
    }
}

macro_rules! from_text {
    ($($type:ty: $what:literal),+ $(,)?) => {$(
        #[diagnostic::do_not_recommend]
        impl FromBytes for $type {
            fn from_bytes(bytes: &[u8]) -> Result<Self, Rejection> {
                let read = utf8(bytes).and_then(|text| text.parse().map_err(|error| {
                    Rejection::new(format!("is not {} (`{}`): {error}", $what, stringify!($type)))
                }));
                read.map_err(|error| binary::<$type>(bytes).unwrap_or(error))
            }
        }
    )+};
}

from_text! {
    u8: "a number", u16: "a number", u32: "a number", u64: "a number", u128: "a number", usize: "a number",
    i8: "a number", i16: "a number", i32: "a number", i64: "a number", i128: "a number", isize: "a number",
    f32: "a number", f64: "a number", bool: "`true` or `false`",
}

/// Detects what Java's serializers of numbers write: the number itself, big-endian. Text has no control characters.
#[cold]
fn binary<T>(bytes: &[u8]) -> Option<Rejection> {
    let is_text = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    let (length, name) = (size_of::<T>(), type_name::<T>());
    (bytes.len() == length && length > 1 && !is_text).then(|| {
        Rejection::new(format!(
            "is {length} bytes that are no text, as Java's serializers write numbers (`LongSerializer`, ...): take \
             `Bytes`, and `{name}::from_be_bytes`"
        ))
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, Rejection> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Rejection::new(format!("is not UTF-8: byte {at} begins no character"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_their_text() {
        assert_eq!(u64::from_bytes(b"42"), Ok(42));
        assert_eq!(i32::from_bytes(b"-7"), Ok(-7));
        assert_eq!(f64::from_bytes(b"2.5"), Ok(2.5));
        assert_eq!(bool::from_bytes(b"true"), Ok(true));
    }

    #[test]
    fn what_is_no_number_says_why_and_does_not_quote_it() {
        let error = u8::from_bytes(b"4111").unwrap_err();
        assert_eq!(error.message(), "is not a number (`u8`): number too large to fit in target type");
        let error = bool::from_bytes(b"4111").unwrap_err();
        assert!(!error.message().contains("4111"), "{error}");
    }

    #[test]
    fn a_number_that_java_wrote_is_told_from_text_that_is_no_number() {
        for error in [
            u64::from_bytes(&7_u64.to_be_bytes()).unwrap_err(),
            i64::from_bytes(&(-7_i64).to_be_bytes()).unwrap_err(),
            f64::from_bytes(&1.5_f64.to_be_bytes()).unwrap_err(),
        ] {
            assert!(error.message().contains("8 bytes that are no text, as Java's"), "{error}");
            assert!(error.message().contains("64::from_be_bytes"), "{error}");
        }
        let error = i32::from_bytes(&7_i32.to_be_bytes()).unwrap_err();
        assert!(
            error.message().contains("4 bytes") && error.message().contains("i32::from_be_bytes"),
            "{error}"
        );
        assert!(u64::from_bytes(b"12345 78").unwrap_err().message().contains("invalid digit"));
        assert!(u8::from_bytes(b"\0").unwrap_err().message().contains("invalid digit"));
    }
}
