//! What generated code calls. Nothing here is stable, and nothing here is for users.
//!
//! `#[subscriber]` writes one constant beside the function: a `SubscriberDef` whose `call` reads the arguments off
//! a delivery and returns a future. Macros see tokens and no types, so everything that depends on a type is
//! decided here, while the generated code is type-checked: how an argument is read (`arguments`), what `main`'s
//! function returns (`built`), and how a result is published (`publish`). Names that users could have begin with
//! `__faststream_`.
//!
//! The messages of compile errors are part of this module's work: what a user wrote wrongly has to lead to one
//! error, in words of the user's program. `tests/ui` shows each of them.

pub mod arguments;
pub mod built;
mod calls;
pub mod publish;
mod requires;

pub use std::option::Option::{None, Some};
pub use std::result::Result::{Err, Ok};
pub use std::vec::Vec;

pub use inventory::submit;

pub use self::arguments::{Count, Decodes, Free, OnePayload, Probe};
pub use self::calls::{blocking, plain, rejected};
pub use self::publish::{encode, first, key_of, published, publisher_topics};
pub use self::requires::Requires;
pub use crate::delivery::{Call, Delivery, Requirements};
pub use crate::policy::{AckPolicy, Commit, OnError, Order, Start};
pub use crate::publish::{IntoBytes, IntoOutgoing};
pub use crate::result::Rejection;
pub use crate::result::{Failure, IntoOutcome};
pub use crate::subscriber::{PublisherDef, RetryDef, SourceDef, SubscriberDef, registered};

#[cfg(feature = "testing")]
pub use crate::testing::run as test;

/// The traits by which a type chooses its tag, imported without their names: generated code needs their methods,
/// and must not shadow a name of the user.
pub mod tags {
    pub use super::arguments::{
        ExtractorTag as _, KeyTag as _, NeitherTag as _, NoExtractor as _, OptionTag as _,
        OptionalStateTag as _, PayloadTag as _, StateTag as _,
    };
    pub use super::built::{AppTag as _, DebugTag as _, DisplayTag as _, ErrorTag as _};
    pub use super::publish::{EachOfOption as _, EachOfVec as _, Itself as _, PlainTag as _, ResultTag as _};
}
