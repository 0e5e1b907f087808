//! `#[subscriber]`: the function stays, one constant is written beside it.

mod settings;
mod signature;
mod rules;
mod publisher;
mod constant;
mod expand;

pub(crate) use expand::expand;
pub(crate) use publisher::publisher;
