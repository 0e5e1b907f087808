//! How a handler's results are published, by the most specific of their types.
//!
//! Generated code takes two steps, each chosen by autoref as in `arguments`: `__faststream_split` separates a
//! `Result` into value and error, then `__faststream_each` turns the value into records: none or one of an
//! `Option`, each of a `Vec`, and one of anything else. A value is encoded once, for the first topic, and copied
//! for the others.
//!
//! `None` and an empty `Vec` publish nothing, so their call is a success at once. If one value of a `Vec` cannot
//! be encoded, none of them is published.

use std::sync::Arc;

use bytes::Bytes;

use crate::delivery::Delivery;
use crate::publish::EncodeError;
use crate::record::Outgoing;
use crate::result::Verdict;
use crate::result::{HandlerError, Outcome};

/// A `Result`: its error settles the call, and nothing is published.
pub trait ResultTag {
    /// Returns the tag of a `Result`.
    fn __faststream_split(&self) -> ByResult {
        ByResult
    }
}

impl<T, E> ResultTag for Result<T, E> {}

/// Any other value.
pub trait PlainTag {
    /// Returns the tag of a plain value.
    fn __faststream_split(&self) -> ByPlain {
        ByPlain
    }
}

impl<T> PlainTag for &T {}

/// The tag of a `Result`.
#[derive(Debug)]
pub struct ByResult;

/// The tag of a plain value.
#[derive(Debug)]
pub struct ByPlain;

impl ByResult {
    /// Returns the value, or the error.
    pub fn __faststream_result<T, E>(self, returned: Result<T, E>) -> Result<T, E> {
        returned
    }
}

impl ByPlain {
    /// Returns the value as a success. The error type has to be one that implements `Failure`; it is never used.
    pub fn __faststream_result<T>(self, returned: T) -> Result<T, &'static str> {
        Ok(returned)
    }
}

/// An `Option`: `None` publishes nothing.
pub trait EachOfOption {
    /// Returns the tag of an `Option`.
    fn __faststream_each(&self) -> ByOption {
        ByOption
    }
}

impl<T> EachOfOption for Option<T> {}

/// A `Vec`: each of its values is published, in order.
pub trait EachOfVec {
    /// Returns the tag of a `Vec`.
    fn __faststream_each(&self) -> ByVec {
        ByVec
    }
}

impl<T> EachOfVec for Vec<T> {}

/// Any other value: it is published itself.
pub trait Itself {
    /// Returns the tag of one value.
    fn __faststream_each(&self) -> ByValue {
        ByValue
    }
}

impl<T> Itself for &T {}

/// The tag of an `Option`.
#[derive(Debug)]
pub struct ByOption;

/// The tag of a `Vec`.
#[derive(Debug)]
pub struct ByVec;

/// The tag of one value.
#[derive(Debug)]
pub struct ByValue;

impl ByOption {
    /// Returns no value, or one.
    pub fn __faststream_values<T>(self, returned: Option<T>) -> std::option::IntoIter<T> {
        returned.into_iter()
    }
}

impl ByVec {
    /// Returns all values.
    #[must_use]
    pub fn __faststream_values<T>(self, returned: Vec<T>) -> Vec<T> {
        returned
    }
}

impl ByValue {
    /// Returns the value.
    pub fn __faststream_values<T>(self, returned: T) -> [T; 1] {
        [returned]
    }
}

/// Returns the topics of the handler's publishers, one for each, with their variables replaced. Costs no
/// allocation.
#[must_use]
pub fn publisher_topics(delivery: &Delivery<'_>) -> Arc<[Arc<str>]> {
    Arc::clone(&delivery.handler.publishes)
}

/// Returns the first of a handler's topics; the empty name if it has none, which no generated code causes.
#[must_use]
pub fn first(topics: &[Arc<str>]) -> Arc<str> {
    topics.first().map_or_else(|| Arc::from(""), Arc::clone)
}

/// Returns the key that `key = ...` makes of a value; it may borrow from the value. A function, so that the
/// closure's argument gets its type.
pub fn key_of<'a, T, K>(value: &'a T, key: impl FnOnce(&'a T) -> K) -> K {
    key(value)
}

/// Adds a copy of an encoded value for each topic to `copies`. A key of the publisher takes precedence over the
/// value's own.
///
/// `keys` has one entry for each publisher, in their order; one without `key = ...` keeps the value's own key. The
/// last topic gets the value itself, and each other one a clone, so one topic costs no clone.
///
/// # Errors
/// The outcome of the call, if the value or a key cannot be encoded.
#[allow(clippy::result_large_err)]
pub fn encode<const N: usize>(
    encoded: Result<Outgoing, EncodeError>,
    topics: &[Arc<str>],
    keys: [Option<Result<Option<Bytes>, String>>; N],
    copies: &mut Vec<Outgoing>,
) -> Result<(), Outcome> {
    let encoded =
        encoded.map_err(|error| Outcome::NotEncodable(HandlerError::new("encode", error.to_string())))?;
    if copies.is_empty() {
        copies.reserve_exact(topics.len());
    }
    let mut encoded = Some(encoded);
    for (number, (topic, key)) in topics.iter().zip(keys).enumerate() {
        let is_last = number + 1 == N.min(topics.len());
        let Some(mut copy) = (if is_last { encoded.take() } else { encoded.clone() }) else { break };
        if !Arc::ptr_eq(&copy.topic, topic) {
            copy.topic = Arc::clone(topic);
        }
        match key {
            None => {}
            Some(Ok(key)) => copy.key = key,
            Some(Err(fault)) => {
                return Err(Outcome::NotEncodable(HandlerError::new("encode", fault)));
            }
        }
        copies.push(copy);
    }
    Ok(())
}

/// Returns the outcome of a call with these copies: to be published, or success at once if there are none.
#[must_use]
pub fn published(copies: Vec<Outgoing>) -> Outcome {
    if copies.is_empty() { Outcome::Verdict(Verdict::Ack) } else { Outcome::Publish(copies) }
}
