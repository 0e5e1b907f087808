//! Publishing: what a record on its way to the broker is, and the handle that users publish with.

mod finite;
mod into_bytes;
mod into_outgoing;
mod into_payload;
mod many;
mod outgoing;
mod publisher;
mod record;

pub use into_bytes::IntoBytes;
pub use into_outgoing::IntoOutgoing;
pub use into_payload::{EncodeError, IntoPayload};
pub use outgoing::{Outgoing, Partition};
pub use publisher::Publisher;
pub use record::Publish;
