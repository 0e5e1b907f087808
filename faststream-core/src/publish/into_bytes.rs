//! Values that can be written as a key or a header value.

use bytes::Bytes;

/// A value that can be written as a key or a header value: bytes, text, and values that are written as text (`42`,
/// `true`).
///
/// The counterpart of [`FromBytes`](crate::delivery::FromBytes). `None` of an `Option` is a missing key, or a null
/// header. Implemented for values and references.
///
/// ```
/// use faststream::{IntoBytes, Publish};
///
/// struct Account(u64);
///
/// impl IntoBytes for Account {
///     fn into_bytes(self) -> Option<bytes::Bytes> {
///         format!("account-{}", self.0).into_bytes().into_bytes()
///     }
/// }
///
/// let payment = Publish::new(100).key(Account(7)).header("currency", "EUR");
/// # let _ = payment;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a key or a header value",
    label = "neither bytes nor text",
    note = "pass its text: `value.to_string()`, or implement `faststream::IntoBytes`"
)]
pub trait IntoBytes {
    /// Returns the bytes; `None` is a missing key, or a null header.
    fn into_bytes(self) -> Option<Bytes>;

    /// Returns why this value cannot be a key (lowercase, no full stop), checked before it is written; `None` if it
    /// can, which is the default.
    ///
    /// NaN and infinities cannot be keys: no record can be found by them, and payloads refuse them, too. In a header
    /// they are written as text.
    fn key_fault(&self) -> Option<String> {
        None
    }

    /// Returns the key, or why the value cannot be a key. For the generated code.
    #[doc(hidden)]
    fn into_key(self) -> Result<Option<Bytes>, String>
    where
        Self: Sized,
    {
        self.key_fault().map_or_else(|| Ok(self.into_bytes()), Err)
    }
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

    fn key_fault(&self) -> Option<String> {
        self.as_ref()?.key_fault()
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

as_text!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char);

macro_rules! finite {
    ($($type:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoBytes for $type {
            fn into_bytes(self) -> Option<Bytes> {
                Some(self.to_string().into())
            }

            fn key_fault(&self) -> Option<String> {
                let fault = || format!("its key is {self}, which is no key: give another one, or none");
                (!self.is_finite()).then(fault)
            }
        }

        #[diagnostic::do_not_recommend]
        impl IntoBytes for &$type {
            fn into_bytes(self) -> Option<Bytes> {
                (*self).into_bytes()
            }

            fn key_fault(&self) -> Option<String> {
                (*self).key_fault()
            }
        }
    )+};
}

finite!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{FromBytes, Key};

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
    fn a_number_that_is_not_finite_is_no_key() {
        for (fault, number) in [
            (f64::NAN.key_fault(), "NaN"),
            (f64::INFINITY.key_fault(), "inf"),
            (Some(f32::NEG_INFINITY).key_fault(), "-inf"),
            (Key(&f32::NAN).key_fault(), "NaN"),
        ] {
            assert_eq!(
                fault,
                Some(format!("its key is {number}, which is no key: give another one, or none"))
            );
        }
        assert_eq!((2.5_f64.key_fault(), None::<f64>.key_fault(), "NaN".key_fault()), (None, None, None));
        assert_eq!(f64::NAN.into_bytes(), Some(Bytes::from("NaN")), "in a header");
    }

    #[test]
    fn nothing_is_null() {
        assert_eq!(None::<&str>.into_bytes(), None);
        assert_eq!(Some("").into_bytes(), Some(Bytes::new()));
        assert_eq!(Key(&7_u8).into_bytes(), Some(Bytes::from("7")));
    }
}
