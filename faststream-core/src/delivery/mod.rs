//! One record on its way to a handler, and everything that can be read off it.

mod attempt;
mod call;
mod extract;

pub use attempt::Delivery;
pub use call::Call;
pub use extract::{
    Cancellation, Captures, FromBytes, FromDelivery, FromPayload, Header, Headers, Json, Key, Message,
    Metadata, OptionalFromDelivery, Raw, State, Text, TypedHeader,
};
