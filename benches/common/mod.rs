//! What the benchmarks share: brokers, a stop watch, the check of what was written, and how figures are printed.
#![allow(dead_code, reason = "each benchmark uses its part")]

pub(crate) mod cluster;
pub(crate) mod measure;
pub(crate) mod order;
pub(crate) mod written;
