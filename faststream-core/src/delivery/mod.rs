//! One record on its way to a handler, and everything that can be read off it.

mod call;
mod delivery;
mod extract;
mod outcome;
mod record;
mod rejection;

pub use call::Call;
pub use delivery::Delivery;
pub use extract::{FromDelivery, FromPayload};
pub use outcome::{HandlerError, Outcome};
pub use record::{HeaderList, OwnedRecord, Record};
pub use rejection::Rejection;
