//! What becomes of a record? Handlers as users write them, in memory and in virtual time.
//!
//! Each file has its own handlers, and its app names its own module.
#![allow(missing_docs, clippy::missing_panics_doc)]

mod dead_letters;
mod defaults;
mod handlers;
mod macros;
mod poison;
mod retry_topics;
mod start_latest;
