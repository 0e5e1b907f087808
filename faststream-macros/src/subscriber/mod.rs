//! `#[subscriber]`: the function is kept, one constant is written beside it.
//!
//! 1. `settings` reads the attribute's list into types, `publisher` that of each `#[publisher]` below it.
//! 2. `signature` checks the function: free, owned arguments, named types.
//! 3. `rules` finds settings that contradict each other.
//! 4. If nothing was wrong, `constant` prints the constant that registers the handler at link time.
//!
//! Steps 1 to 3 report all of their mistakes together. Nothing here knows a type: what an argument is (payload,
//! extractor, neither) is decided by the compiler with the traits of `faststream-core`.

mod unknown_key;
mod settings;
mod signature;
mod rules;
mod publisher;
mod call;
mod constant;
mod expand;

pub(crate) use expand::expand;
pub(crate) use publisher::publisher;
