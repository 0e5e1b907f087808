//! The deserializer of a missing payload: `None` for an `Option`, an error for everything else.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

use crate::result::Rejection;

/// A record without payload, as serde sees it.
pub(super) struct Tombstone;

/// The type requested something other than an `Option`.
#[derive(Debug)]
pub(super) struct NotAnOption;

/// Returns the rejection of a tombstone where `expected` is required.
#[cold]
pub(super) fn unexpected(expected: &str) -> Rejection {
    Rejection::new(format!(
        "the record is a tombstone (its payload is null), which is no `{expected}`: take an `Option` to handle tombstones"
    ))
}

impl<'de> Deserializer<'de> for Tombstone {
    type Error = NotAnOption;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotAnOption> {
        visitor.visit_none()
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, NotAnOption> {
        Err(NotAnOption)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl fmt::Display for NotAnOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tombstone is only an `Option`")
    }
}

impl std::error::Error for NotAnOption {}

impl Error for NotAnOption {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}
