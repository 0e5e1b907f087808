//! Decides by the type of an argument how it is read: as an extractor if it is one, else as the payload.
//!
//! The choice is made by autoref, without specialization. Generated code calls `__faststream_tag` on
//! `&&&&&Probe<T>`. Each tag is a trait for one reference less than the one before. The compiler tries the
//! receiver with all its references first and removes them one by one, so the first trait that the type fits
//! answers.
//!
//! What fits neither is matched further, down to `ByNothing`: it still compiles at this point, and the error comes
//! from a trait bound at `__faststream_extract`, which has a message that names what is missing. All later steps
//! accept such an argument (`Wrong`), so that the compiler reports it once, and nothing else.
//!
//! The generated code of one handler, argument by argument:
//! 1. `Count` counts the payloads. Its state is a type: `Free`, `Taken`, `Twice`, or `Wrong`.
//! 2. `OnePayload` rejects `Twice`.
//! 3. `__faststream_extract` reads the argument, or returns the rejection.
//! 4. After the last one, `__faststream_call` of the state checks that the handler's future is `Send`.
//!
//! The tags, from the first to the last:
//! - `ByExtractor`, `ByPayload`: these can be read.
//! - `ByKey`, `ByState`, `ByOptionalState`, `ByOption`: an extractor of this name exists, but the type in it does
//!   not fit. They exist for their messages alone.
//! - `ByNothing`: every other type.

use std::future::{Pending, pending};
use std::marker::PhantomData;

use crate::delivery::{Delivery, FromDelivery, FromPayload, Key, State};
use crate::result::Rejection;

/// Chooses the tag of a type: the most specific one that fits. It holds no value.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// Returns the probe of `T`.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Returns the probe of a value's type, which generated code cannot name.
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
    PayloadTag -> ByPayload: "A payload." for <T: FromPayload> T = &&&Probe<T>;
    KeyTag -> ByKey: "A key that is not read from bytes." for
        <K> Key<K> = &&Probe<Key<K>>, <K> Option<Key<K>> = &&Probe<Option<Key<K>>>;
    StateTag -> ByState: "A state that cannot be shared." for <T> State<T> = &&Probe<State<T>>;
    OptionalStateTag -> ByOptionalState: "A state that may be missing." for <T> T = &&Probe<Option<State<T>>>;
    OptionTag -> ByOption: "An extractor that is no option." for <T: FromDelivery> Option<T> = &Probe<Option<T>>;
    NeitherTag -> ByNothing: "Neither an extractor nor a payload." for <T> T = Probe<T>;
}

/// The state of `Count` before a payload: none was read yet.
#[derive(Debug)]
pub struct Free;

/// The state of `Count` after a payload.
#[derive(Debug)]
pub struct Taken;

/// The state of `Count` after a second payload, which [`OnePayload`] rejects.
#[derive(Debug)]
pub struct Twice;

/// The state of `Count` after an argument that cannot be read. The compiler reports that one, so nothing else is
/// checked.
#[derive(Debug)]
pub struct Wrong;

/// Counts the payloads among the arguments, on the type level: `S` is the state before the argument.
pub trait Count<S> {
    /// The state after the argument.
    type Then;

    /// Returns the state after the argument.
    fn __faststream_count(self, slot: S) -> Self::Then;
}

/// Implements `Count` for everything that decodes the payload: one step from each state to the next.
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

/// Implements `Count` for the tags of unreadable arguments: every state becomes `Wrong`.
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

/// An extractor leaves the state as it is. If it decodes the payload, `Decodes` counts it.
impl<T, S> Count<S> for ByExtractor<T> {
    type Then = S;

    fn __faststream_count(self, slot: S) -> S {
        slot
    }
}

/// An extractor that decodes nothing leaves the state as it is.
impl<S> Count<S> for Decodes<false> {
    type Then = S;

    fn __faststream_count(self, slot: S) -> S {
        slot
    }
}

/// Whether an extractor decodes the payload, as `Result<T, Rejection>` and `Option<Text>` do. A second step of
/// `Count` for each argument.
#[derive(Debug)]
pub struct Decodes<const IS_TRUE: bool>;

/// Found only if `T` is an extractor.
impl<T: FromDelivery> Probe<T> {
    /// The extractor's own constant. An inherent constant precedes [`NoExtractor::DECODES_PAYLOAD`].
    pub const DECODES_PAYLOAD: bool = T::DECODES_PAYLOAD;
}

/// The fallback for a type that is no extractor: its tag has counted it already.
pub trait NoExtractor {
    /// Always false.
    const DECODES_PAYLOAD: bool = false;
}

impl<T> NoExtractor for Probe<T> {}

/// No payload was read behind another one.
#[diagnostic::on_unimplemented(
    message = "a subscriber takes one payload",
    label = "the second payload",
    note = "put the fields in one type, or read this as an extractor: `State<T>`, `Key`, `Header<H>`, ..."
)]
/// A state with one payload at most.
pub trait OnePayload: Sized {
    /// Returns the state unchanged. Only its bound matters.
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
    /// Returns the future unchanged. Its bound reports, at the handler's name, that a handler's future must be
    /// `Send`.
    pub fn __faststream_call<F: Future + Send>(self, future: F) -> F {
        future
    }
}

impl Taken {
    /// Returns the future unchanged. Its bound reports, at the handler's name, that a handler's future must be
    /// `Send`.
    pub fn __faststream_call<F: Future + Send>(self, future: F) -> F {
        future
    }
}

/// The states of a handler that does not compile anyway: without the bound, so that no second error appears.
macro_rules! does_not_call {
    ($($slot:ty),+) => {$(
        impl $slot {
            /// Discards the future: another error is reported already.
            pub fn __faststream_call<F: Future>(self, _future: F) -> Pending<F::Output> {
                pending()
            }
        }
    )+};
}

does_not_call!(Twice, Wrong);

impl<T: FromDelivery> ByExtractor<T> {
    /// Reads the argument with its extractor.
    pub fn __faststream_extract(self, delivery: &Delivery<'_>) -> Result<T, Rejection> {
        T::from_delivery(delivery)
    }
}

impl<T: FromPayload> ByPayload<T> {
    /// Decodes the payload.
    pub fn __faststream_extract(self, delivery: &Delivery<'_>) -> Result<T, Rejection> {
        T::from_payload(delivery)
    }
}

/// Defines, for each tag that reads nothing, a trait that it does not implement. The bound on that trait is the
/// compile error that the user sees, with the message and the note given here.
macro_rules! cannot_read {
    ($($tag:ident: $trait:ident { $($why:tt)+ })+) => {$(
        #[diagnostic::on_unimplemented($($why)+)]
        #[doc = "A trait without implementations: its bound is the compile error."]
        pub trait $trait<T> {
            /// The type that would be read.
            type Read;
        }

        impl<T> $tag<T> {
            /// Reads nothing: the bound is never satisfied.
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
