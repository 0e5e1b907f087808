//! What a key or a header value can be written as.

use bytes::Bytes;

use crate::delivery::Key;

/// A value that a key or a header can be made of: bytes, text, and what is written as its text (`42`, `true`).
///
/// The counterpart of [`FromBytes`](crate::delivery::FromBytes). `None` of an `Option` is no key, or a null header. By
/// value or by reference.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a key or a header value",
    label = "neither bytes nor text",
    note = "pass its text: `value.to_string()`, or implement `faststream::IntoBytes`"
)]
pub trait IntoBytes {
    /// The bytes; `None` is no key, or a null header.
    fn into_bytes(self) -> Option<Bytes>;
}

#[diagnostic::do_not_recommend]
impl IntoBytes for Bytes {
    fn into_bytes(self) -> Option<Bytes> {
        Some(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoBytes for &Bytes {
    fn into_bytes(self) -> Option<Bytes> {
        Some(self.clone())
    }
}

#[diagnostic::do_not_recommend]
impl IntoBytes for String {
    fn into_bytes(self) -> Option<Bytes> {
        Some(self.into())
    }
}

#[diagnostic::do_not_recommend]
impl IntoBytes for Vec<u8> {
    fn into_bytes(self) -> Option<Bytes> {
        Some(self.into())
    }
}

#[diagnostic::do_not_recommend]
impl<const N: usize> IntoBytes for &[u8; N] {
    fn into_bytes(self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self))
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoBytes> IntoBytes for Option<T> {
    fn into_bytes(self) -> Option<Bytes> {
        self?.into_bytes()
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoBytes> IntoBytes for Key<T> {
    fn into_bytes(self) -> Option<Bytes> {
        self.0.into_bytes()
    }
}

macro_rules! copied {
    ($($type:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoBytes for $type {
            fn into_bytes(self) -> Option<Bytes> {
                Some(Bytes::copy_from_slice(self.as_ref()))
            }
        }
    )+};
}

copied!(&str, &String, &[u8], &Vec<u8>);

macro_rules! as_text {
    ($($type:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoBytes for $type {
            fn into_bytes(self) -> Option<Bytes> {
                Some(self.to_string().into())
            }
        }

        #[diagnostic::do_not_recommend]
        impl IntoBytes for &$type {
            fn into_bytes(self) -> Option<Bytes> {
                (*self).into_bytes()
            }
        }
    )+};
}

as_text!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, bool, char);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::FromBytes;

    #[test]
    fn what_is_written_is_read_back() {
        fn same<T: IntoBytes + FromBytes + Clone + PartialEq + std::fmt::Debug>(value: T) {
            let bytes = value.clone().into_bytes().expect("a value is not null");
            assert_eq!(T::from_bytes(&bytes), Ok(value));
        }
        same(42_u64);
        same(i64::MIN);
        same(2.5_f64);
        same(true);
        same(String::from("grüße"));
        same(vec![0_u8, 255]);
        same(Bytes::from_static(b"\xff"));
    }

    #[test]
    fn nothing_is_null() {
        assert_eq!(None::<&str>.into_bytes(), None);
        assert_eq!(Some("").into_bytes(), Some(Bytes::new()));
        assert_eq!(Key(&7_u8).into_bytes(), Some(Bytes::from("7")));
    }
}
