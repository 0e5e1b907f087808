//! How what a handler returned is published, by the most specific of its types.

use std::sync::Arc;

use bytes::Bytes;

use crate::delivery::Delivery;
use crate::publish::EncodeError;
use crate::record::Outgoing;
use crate::result::Verdict;
use crate::result::{HandlerError, Outcome};

/// A `Result`: its error settles and publishes nothing.
pub trait ResultTag {
    /// Split into value and error.
    fn __faststream_split(&self) -> ByResult {
        ByResult
    }
}

impl<T, E> ResultTag for Result<T, E> {}

/// Anything else.
pub trait PlainTag {
    /// Is the value.
    fn __faststream_split(&self) -> ByPlain {
        ByPlain
    }
}

impl<T> PlainTag for &T {}

/// How a `Result` is split.
#[derive(Debug)]
pub struct ByResult;

/// How anything else is split.
#[derive(Debug)]
pub struct ByPlain;

impl ByResult {
    /// The value, or the error.
    pub fn __faststream_result<T, E>(self, returned: Result<T, E>) -> Result<T, E> {
        returned
    }
}

impl ByPlain {
    /// The value.
    pub fn __faststream_result<T>(self, returned: T) -> Result<T, &'static str> {
        Ok(returned)
    }
}

/// An `Option`: `None` publishes nothing.
pub trait EachOfOption {
    /// None or one.
    fn __faststream_each(&self) -> ByOption {
        ByOption
    }
}

impl<T> EachOfOption for Option<T> {}

/// A `Vec`: each is published.
pub trait EachOfVec {
    /// Each.
    fn __faststream_each(&self) -> ByVec {
        ByVec
    }
}

impl<T> EachOfVec for Vec<T> {}

/// Any other value.
pub trait Itself {
    /// One.
    fn __faststream_each(&self) -> ByValue {
        ByValue
    }
}

impl<T> Itself for &T {}

/// None or one.
#[derive(Debug)]
pub struct ByOption;

/// Each.
#[derive(Debug)]
pub struct ByVec;

/// One.
#[derive(Debug)]
pub struct ByValue;

impl ByOption {
    /// None or one.
    pub fn __faststream_values<T>(self, returned: Option<T>) -> std::option::IntoIter<T> {
        returned.into_iter()
    }
}

impl ByVec {
    /// Each.
    #[must_use]
    pub fn __faststream_values<T>(self, returned: Vec<T>) -> Vec<T> {
        returned
    }
}

impl ByValue {
    /// One.
    pub fn __faststream_values<T>(self, returned: T) -> [T; 1] {
        [returned]
    }
}

/// The topics of the handler's publishers, with their variables replaced.
#[must_use]
pub fn publisher_topics(delivery: &Delivery<'_>) -> Arc<[Arc<str>]> {
    Arc::clone(&delivery.subscriber.publishes)
}

/// The first of a handler's topics: it has one for each of its publishers.
#[must_use]
pub fn first(topics: &[Arc<str>]) -> Arc<str> {
    topics.first().map_or_else(|| Arc::from(""), Arc::clone)
}

/// What `key = ...` makes of a value; it may borrow from it.
pub fn key_of<'a, T, K>(value: &'a T, key: impl FnOnce(&'a T) -> K) -> K {
    key(value)
}

/// Has what was encoded for the first topic published to each; a publisher's own key wins.
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

/// What was encoded is to be published; nothing is success at once.
#[must_use]
pub fn published(copies: Vec<Outgoing>) -> Outcome {
    if copies.is_empty() { Outcome::Verdict(Verdict::Ack) } else { Outcome::Publish(copies) }
}
