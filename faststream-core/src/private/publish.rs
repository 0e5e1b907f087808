//! How what a handler returned is published, by the most specific of its types.

use std::sync::Arc;

use bytes::Bytes;

use crate::delivery::{Delivery, HandlerError, Outcome};
use crate::publish::{IntoBytes, IntoOutgoing, Outgoing};
use crate::result::Failure;
use crate::verdict::Verdict;

/// A `Result`: its error settles and publishes nothing.
pub trait ResultTag {
    /// Split into value and outcome.
    fn split_tag(&self) -> ByResult {
        ByResult
    }
}

impl<T, E> ResultTag for Result<T, E> {}

/// Anything else.
pub trait PlainTag {
    /// Is the value.
    fn split_tag(&self) -> ByPlain {
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
    /// The value, or what its error means.
    #[allow(clippy::result_large_err)]
    pub fn split<T, E: Failure>(self, returned: Result<T, E>) -> Result<T, Outcome> {
        returned.map_err(Failure::into_outcome)
    }
}

impl ByPlain {
    /// The value.
    #[allow(clippy::result_large_err)]
    pub fn split<T>(self, returned: T) -> Result<T, Outcome> {
        Ok(returned)
    }
}

/// An `Option`: `None` publishes nothing.
pub trait OptionTag {
    /// None or one.
    fn values_tag(&self) -> ByOption {
        ByOption
    }
}

impl<T> OptionTag for Option<T> {}

/// A `Vec`: each is published.
pub trait VecTag {
    /// Each.
    fn values_tag(&self) -> ByVec {
        ByVec
    }
}

impl<T> VecTag for Vec<T> {}

/// Any other value.
pub trait ValueTag {
    /// One.
    fn values_tag(&self) -> ByValue {
        ByValue
    }
}

impl<T> ValueTag for &T {}

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
    pub fn values<T>(self, returned: Option<T>) -> std::option::IntoIter<T> {
        returned.into_iter()
    }
}

impl ByVec {
    /// Each.
    #[must_use]
    pub fn values<T>(self, returned: Vec<T>) -> Vec<T> {
        returned
    }
}

impl ByValue {
    /// One.
    pub fn values<T>(self, returned: T) -> [T; 1] {
        [returned]
    }
}

/// The topics of the handler's publishers, with their variables replaced.
#[must_use]
pub fn publisher_topics(delivery: &Delivery<'_>) -> Arc<[Arc<str>]> {
    Arc::clone(&delivery.subscriber.publishes)
}

/// The key that `key = ...` makes of a value.
pub fn key_of<T, K: IntoBytes>(value: &T, key: impl FnOnce(&T) -> K) -> Option<Option<Bytes>> {
    Some(key(value).into_bytes())
}

/// Encodes a value once, for each topic; a publisher's own key wins.
#[allow(clippy::result_large_err)]
pub fn encode<T: IntoOutgoing, const N: usize>(
    value: T,
    topics: &[Arc<str>],
    keys: [Option<Option<Bytes>>; N],
    copies: &mut Vec<Outgoing>,
) -> Result<(), Outcome> {
    let Some(first) = topics.first() else { return Ok(()) };
    let encoded = value.into_outgoing(Arc::clone(first));
    let encoded =
        encoded.map_err(|error| Outcome::NotEncodable(HandlerError::new("encode", error.to_string())))?;
    for (topic, key) in topics.iter().zip(keys) {
        let mut copy = Outgoing { topic: Arc::clone(topic), ..encoded.clone() };
        if let Some(key) = key {
            copy.key = key;
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
