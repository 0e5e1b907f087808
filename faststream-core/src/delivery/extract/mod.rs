//! How a handler's argument is read off a delivery. One extractor = one file.

mod from_bytes;
mod from_delivery;
mod from_payload;
mod headers;
mod json;
mod key;
mod optional;
mod raw;
mod result;
mod sentence;
mod state;
mod text;
mod tombstone;

pub use from_bytes::FromBytes;
pub use from_delivery::FromDelivery;
pub use from_payload::FromPayload;
pub use headers::Headers;
pub use json::Json;
pub use key::Key;
pub use optional::OptionalFromDelivery;
pub use raw::Raw;
pub use state::State;
pub use text::Text;
