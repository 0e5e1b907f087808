//! The guide: what is guaranteed, and what to do.

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("errors_and_retries.md")]
pub mod errors_and_retries {}
