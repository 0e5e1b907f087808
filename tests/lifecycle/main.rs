//! What happens when an app starts, runs, rebalances and stops? Checks, hooks and health, in memory and in virtual time.
//!
//! Each file has its own handlers, and its app names its own module.
#![allow(missing_docs, clippy::missing_panics_doc)]

mod group_hooks;
mod health;
mod operations;
mod origin;
mod refused;
mod start_hooks;
mod stop_hooks;
