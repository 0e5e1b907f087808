//! One record on its way to a handler, and everything that can be read off it.

mod attempt;
mod call;
mod extract;
#[cfg(any(test, feature = "testing"))]
mod fixture;
mod outcome;
mod record;
mod rejection;

pub use attempt::Delivery;
pub use call::Call;
pub use extract::{
    Cancellation, Captures, FromBytes, FromDelivery, FromPayload, Header, Headers, Json, Key, Message,
    Metadata, OptionalFromDelivery, Raw, State, Text, TypedHeader,
};
#[cfg(any(test, feature = "testing"))]
pub use fixture::DeliveryFixture;
pub use outcome::{HandlerError, Outcome};
pub use record::{HeaderList, OwnedRecord, Record};
pub use rejection::Rejection;
