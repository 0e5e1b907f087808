//! The results of calls: the values that handlers return, and the outcomes that the runtime makes of them.

mod verdict;
mod rejection;
mod outcome;
mod disposition;
mod decision;
mod into_outcome;

pub use decision::{Decide, Decision};
pub use disposition::Disposition;
pub use into_outcome::{Failure, IntoOutcome};
pub(crate) use outcome::chain;
pub use outcome::{HandlerError, Outcome};
pub use rejection::Rejection;
pub use verdict::Verdict;
