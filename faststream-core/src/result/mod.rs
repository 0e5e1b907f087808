//! What a call says: what handlers return, and what that is in the runtime's terms.

mod verdict;
mod rejection;
mod outcome;
mod disposition;
mod decision;
mod into_outcome;

pub use decision::{Decide, Decision};
pub use disposition::Disposition;
pub use into_outcome::{Failure, IntoOutcome};
pub use outcome::{HandlerError, Outcome};
pub use rejection::Rejection;
pub use verdict::Verdict;
