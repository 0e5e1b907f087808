//! What handlers return, in the runtime's terms.

mod decision;
mod into_outcome;

pub use decision::{Decide, Decision};
pub use into_outcome::{Failure, IntoOutcome};
