//! How an argument's type decides how it is read: an extractor if it is one, else the payload.
//!
//! Asked by autoref: each tag is a trait for one reference less than the one before, and the first that the type fits
//! answers. What is neither is asked further, so that the compiler names what is missing, once, and nothing else.

use std::future::{Pending, pending};
use std::marker::PhantomData;

use crate::delivery::{Delivery, FromDelivery, FromPayload, Key, State};
use crate::result::Rejection;
use crate::subscriber::Requirements;

/// Asks a type what it is: the most specific tag answers.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// A question about `T`.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// A question about a value's type.
    #[must_use]
    pub const fn of(_value: &T) -> Self {
        Self(PhantomData)
    }
}

macro_rules! tags {
    ($($trait:ident -> $tag:ident: $what:literal for $(<$param:ident $(: $bound:path)?> $ty:ty = $probe:ty),+;)+) => {$(
        #[doc = $what]
        #[derive(Debug)]
        pub struct $tag<T>(PhantomData<fn() -> T>);

        #[doc = $what]
        pub trait $trait<T> {
            #[doc = $what]
            fn __faststream_tag(&self) -> $tag<T> {
                $tag(PhantomData)
            }
        }

        $(impl<$param $(: $bound)?> $trait<$ty> for $probe {})+
    )+};
}

tags! {
    ExtractorTag -> ByExtractor: "An extractor." for <T: FromDelivery> T = &&&&Probe<T>;
    PayloadTag -> ByPayload: "The payload." for <T: FromPayload> T = &&&Probe<T>;
    KeyTag -> ByKey: "A key that cannot be read." for
        <K> Key<K> = &&Probe<Key<K>>, <K> Option<Key<K>> = &&Probe<Option<Key<K>>>;
    StateTag -> ByState: "A state that cannot be shared." for <T> State<T> = &&Probe<State<T>>;
    OptionalStateTag -> ByOptionalState: "A state that may be missing." for <T> T = &&Probe<Option<State<T>>>;
    OptionTag -> ByOption: "An extractor that is no option." for <T: FromDelivery> Option<T> = &Probe<Option<T>>;
    NeitherTag -> ByNothing: "Nothing that can be read." for <T> T = Probe<T>;
}

/// No payload was read yet.
#[derive(Debug)]
pub struct Free;

/// The payload was read.
#[derive(Debug)]
pub struct Taken;

/// A payload was read behind another one.
#[derive(Debug)]
pub struct Twice;

/// An argument cannot be read, which the compiler says: nothing else is asked.
#[derive(Debug)]
pub struct Wrong;

/// Counts the payloads, behind what was read so far.
pub trait Count<S> {
    /// What was read then.
    type Then;

    /// Counts.
    fn __faststream_count(self, slot: S) -> Self::Then;
}

macro_rules! payload_behind {
    ($($slot:ty => $then:ident),+) => {$(
        impl<T> Count<$slot> for ByPayload<T> {
            type Then = $then;

            fn __faststream_count(self, _slot: $slot) -> $then {
                $then
            }
        }

        impl Count<$slot> for Decodes<true> {
            type Then = $then;

            fn __faststream_count(self, _slot: $slot) -> $then {
                $then
            }
        }
    )+};
}

payload_behind!(Free => Taken, Taken => Twice, Twice => Twice, Wrong => Wrong);

macro_rules! nothing_more_is_asked {
    ($($tag:ident),+) => {$(
        impl<T, S> Count<S> for $tag<T> {
            type Then = Wrong;

            fn __faststream_count(self, _slot: S) -> Wrong {
                Wrong
            }
        }
    )+};
}

nothing_more_is_asked!(ByKey, ByState, ByOptionalState, ByOption, ByNothing);

impl<T, S> Count<S> for ByExtractor<T> {
    type Then = S;

    fn __faststream_count(self, slot: S) -> S {
        slot
    }
}

impl<S> Count<S> for Decodes<false> {
    type Then = S;

    fn __faststream_count(self, slot: S) -> S {
        slot
    }
}

/// Whether an extractor decodes the payload, as `Result<T, Rejection>` and `Option<Text>` do.
#[derive(Debug)]
pub struct Decodes<const IS_TRUE: bool>;

impl<T: FromDelivery> Probe<T> {
    /// As the extractor says; found before [`NoExtractor::DECODES_PAYLOAD`].
    pub const DECODES_PAYLOAD: bool = T::DECODES_PAYLOAD;
}

/// What is no extractor is counted by its tag.
pub trait NoExtractor {
    /// Never true.
    const DECODES_PAYLOAD: bool = false;
}

impl<T> NoExtractor for Probe<T> {}

/// No payload was read behind another one.
#[diagnostic::on_unimplemented(
    message = "a subscriber takes one payload",
    label = "the second payload",
    note = "put the fields in one type, or read this as an extractor: `State<T>`, `Key`, `Header<H>`, ..."
)]
pub trait OnePayload: Sized {
    /// Nothing more.
    #[must_use]
    fn __faststream_one(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl OnePayload for Free {}
#[diagnostic::do_not_recommend]
impl OnePayload for Taken {}
#[diagnostic::do_not_recommend]
impl OnePayload for Wrong {}

impl Free {
    /// Says in the user's own words that a handler's future must be `Send`.
    pub fn __faststream_call<F: Future + Send>(self, future: F) -> F {
        future
    }
}

impl Taken {
    /// Says in the user's own words that a handler's future must be `Send`.
    pub fn __faststream_call<F: Future + Send>(self, future: F) -> F {
        future
    }
}

macro_rules! does_not_call {
    ($($slot:ty),+) => {$(
        impl $slot {
            /// Nothing: another error is told.
            pub fn __faststream_call<F: Future>(self, _future: F) -> Pending<F::Output> {
                pending()
            }
        }
    )+};
}

does_not_call!(Twice, Wrong);

impl<T: FromDelivery> ByExtractor<T> {
    /// Reads it.
    pub fn __faststream_extract(self, delivery: &Delivery<'_>) -> Result<T, Rejection> {
        T::from_delivery(delivery)
    }
}

impl<T: FromPayload> ByPayload<T> {
    /// Reads it.
    pub fn __faststream_extract(self, delivery: &Delivery<'_>) -> Result<T, Rejection> {
        T::from_payload(delivery)
    }
}

/// What no tag is that does not read: the compiler says why.
macro_rules! cannot_read {
    ($($tag:ident: $trait:ident { $($why:tt)+ })+) => {$(
        #[diagnostic::on_unimplemented($($why)+)]
        #[doc = "Never true."]
        pub trait $trait<T> {
            /// What would be read.
            type Read;
        }

        impl<T> $tag<T> {
            /// Reads nothing.
            pub fn __faststream_extract(self, _: &Delivery<'_>) -> Result<<Self as $trait<T>>::Read, Rejection>
            where
                Self: $trait<T>,
            {
                Err(Rejection::new("is not read"))
            }
        }
    )+};
}

cannot_read! {
    ByNothing: Argument {
        message = "`{T}` can't be a subscriber argument",
        label = "neither a payload nor an extractor",
        note = "a payload needs `#[derive(serde::Deserialize)]`; what was given to the app is taken as `State<{T}>`; an \
                extractor of your own implements `faststream::FromDelivery`"
    }
    ByKey: ReadableKey {
        message = "`{T}` can't be read from a record's key",
        label = "not made of bytes",
        note = "take `Key<String>`, `Key<u64>` or `Key` (bytes), or implement `faststream::FromBytes` for the type in it"
    }
    ByState: SharedState {
        message = "`{T}` is shared by handlers on several threads: what is in it must be `Send + Sync`",
        label = "not `Send + Sync`",
        note = "use a `Mutex`, an `RwLock` or an atomic instead of `Cell` and `RefCell`, `Arc` instead of `Rc`"
    }
    ByOptionalState: OptionalState {
        message = "`Option<State<{T}>>` can't be a subscriber argument: a state is always there",
        label = "never `None`",
        note = "take `State<{T}>`, and give it to the app: `.state(..)`; what may be missing is a state that holds an `Option`"
    }
    ByOption: OptionalExtractor {
        message = "`{T}` can't be a subscriber argument: the extractor does not say when a record has none",
        label = "not an optional extractor",
        note = "implement `faststream::OptionalFromDelivery` for it: `optional_from_delivery` answers `Ok(None)` for a \
                record that has none"
    }
}

/// What the app must have for an argument.
pub trait Requires: Sized {
    /// Tells.
    fn __faststream_requires(self, _requirements: &mut Requirements) {}
}

impl<T: FromDelivery> Requires for ByExtractor<T> {
    fn __faststream_requires(self, requirements: &mut Requirements) {
        T::requires(requirements);
    }
}

impl<T> Requires for ByPayload<T> {}
impl<T> Requires for ByKey<T> {}
impl<T> Requires for ByState<T> {}
impl<T> Requires for ByOptionalState<T> {}
impl<T> Requires for ByOption<T> {}
impl<T> Requires for ByNothing<T> {}
