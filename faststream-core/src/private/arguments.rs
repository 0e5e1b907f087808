//! How an argument's type decides how it is read: an extractor if it is one, else the payload.

use std::marker::PhantomData;

use crate::delivery::{Delivery, FromDelivery, FromPayload, Rejection};
use crate::subscriber::Requirements;

/// Asks a type what it is, by autoref: the most specific tag answers.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// A question about `T`.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// `T` is an extractor.
pub trait ExtractorTag {
    /// Read as an extractor.
    fn tag(&self) -> ByExtractor {
        ByExtractor
    }
}

impl<T: FromDelivery> ExtractorTag for Probe<T> {}

/// Anything else: the payload, or nothing at all, which the compiler says then.
pub trait PayloadTag {
    /// Read as the payload.
    fn tag(&self) -> ByPayload {
        ByPayload
    }
}

impl<T> PayloadTag for &Probe<T> {}

/// No payload was read yet.
#[derive(Debug)]
pub struct Free;

/// The payload was read.
#[derive(Debug)]
pub struct Taken;

/// There is still a payload to read.
#[diagnostic::on_unimplemented(
    message = "a subscriber takes one payload",
    label = "the second payload",
    note = "put the fields in one type, or read this as an extractor: `State<T>`, `Key`, `Header<H>`, ..."
)]
pub trait NoPayloadYet {}

impl NoPayloadYet for Free {}

/// How extractors are read.
#[derive(Debug)]
pub struct ByExtractor;

/// How the payload is read.
#[derive(Debug)]
pub struct ByPayload;

/// Reads an argument of type `T`.
#[diagnostic::on_unimplemented(
    message = "`{T}` can't be a subscriber argument",
    label = "neither a payload nor an extractor",
    note = "a payload needs `#[derive(serde::Deserialize)]`; an extractor implements `faststream::FromDelivery`"
)]
pub trait Extract<T>: Sized {
    /// Reads it.
    fn extract(self, delivery: &Delivery<'_>) -> Result<T, Rejection>;
}

impl<T: FromDelivery> Extract<T> for ByExtractor {
    fn extract(self, delivery: &Delivery<'_>) -> Result<T, Rejection> {
        T::from_delivery(delivery)
    }
}

#[diagnostic::do_not_recommend]
impl<T: FromPayload> Extract<T> for ByPayload {
    fn extract(self, delivery: &Delivery<'_>) -> Result<T, Rejection> {
        T::from_payload(delivery)
    }
}

impl ByExtractor {
    /// Leaves the payload to others.
    pub fn take<S>(self, slot: S) -> S {
        slot
    }

    /// What the app must have for it.
    pub fn requires<T: FromDelivery>(self, requirements: &mut Requirements) {
        T::requires(requirements);
    }
}

impl ByPayload {
    /// Takes the payload, if nothing else did.
    pub fn take<S: NoPayloadYet>(self, _slot: S) -> Taken {
        Taken
    }

    /// Nothing.
    pub fn requires<T>(self, _requirements: &mut Requirements) {}
}
