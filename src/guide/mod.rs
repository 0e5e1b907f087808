//! The guide: from a first service to what happens at 3 a.m.

#[doc = include_str!("first_service.md")]
pub mod first_service {}

#[doc = include_str!("guarantees.md")]
#[doc = include_str!("failures.md")]
pub mod guarantees {}

#[doc = include_str!("errors_and_retries.md")]
pub mod errors_and_retries {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[cfg(feature = "testing")]
#[doc = include_str!("simulation.md")]
pub mod simulation {}

#[doc = include_str!("running.md")]
pub mod running {}

#[doc = include_str!("changing_the_protocol.md")]
pub mod changing_the_protocol {}
