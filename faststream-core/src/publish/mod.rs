//! Publishing: how values become records, and the handle that users publish with.

mod finite;
mod into_bytes;
mod into_outgoing;
mod into_payload;
mod many;
mod publisher;
mod record;

pub use into_bytes::IntoBytes;
pub use into_outgoing::IntoOutgoing;
pub(crate) use into_payload::json;
pub use into_payload::{EncodeError, IntoPayload};
pub use publisher::Publisher;
pub use record::Publish;
