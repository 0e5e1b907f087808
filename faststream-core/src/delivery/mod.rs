//! One record as a handler receives it, and everything that can be read from it.

mod attempt;
mod call;
mod extract;

pub use attempt::Delivery;
pub use call::Call;
pub use extract::{
    Ack, Cancellation, Captures, FromBytes, FromDelivery, FromPayload, Header, Headers, Json, Key, Message,
    Metadata, OptionalFromDelivery, Raw, Requirements, State, Text, TypedHeader,
};
