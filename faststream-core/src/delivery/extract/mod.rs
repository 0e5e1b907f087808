//! How a handler's arguments are read from a delivery. One extractor = one file.

mod cancellation;
mod captures;
mod from_bytes;
mod from_delivery;
mod from_payload;
mod header;
mod headers;
mod json;
mod key;
mod message;
mod metadata;
mod optional;
mod raw;
mod result;
mod sentence;
mod state;
mod text;
mod tombstone;

pub use cancellation::Cancellation;
pub use captures::Captures;
pub use from_bytes::FromBytes;
pub use from_delivery::FromDelivery;
pub use from_payload::FromPayload;
pub use header::{Header, TypedHeader};
pub use headers::Headers;
pub use json::Json;
pub use key::Key;
pub use message::Message;
pub use metadata::Metadata;
pub use optional::OptionalFromDelivery;
pub use raw::Raw;
pub use state::State;
pub use text::Text;
