//! The settings of subscribers, groups and the app that decide how records are handled.

mod ack_policy;
mod backoff;
mod on_error;
mod order;
mod commit;
mod start;
mod duration;
mod guard;
pub(crate) mod limits;
mod provision;
mod retry;
mod settings;

pub use ack_policy::AckPolicy;
#[doc(hidden)]
pub use backoff::Backoff;
pub use commit::Commit;
pub use duration::{DurationError, parse_duration};
pub use guard::DeadLetterGuard;
pub use on_error::OnError;
pub use order::Order;
pub use provision::Provision;
pub use retry::{BackoffError, Retry};
pub use settings::GroupSettings;
pub use start::Start;
